/* The page: what is filtered, what is shown, and what the address says. */
function started(data) {
	const sites = new Sites(data);
	const meanings = JSON.parse($('#meanings').textContent);
	const filter = {text: '', status: 'open', unit: '', role: '', macro: '', under: '', derived: false};
	let counts = sites.tally(false);

	const table = new SiteTable(sites, {
		heads: $('#heads'), scroller: $('#scroller'), space: $('#space'), empty: $('#empty'),
	}, (site) => history.replaceState(null, '', hashOf(sites, site)) || detail(site));
	const treemap = new Treemap($('#treemap'), (path) => go(path));
	const link = (name, act) => element('button', {type: 'button', className: 'link', onclick: act},
		element('bdi', {textContent: name}));
	const number = (title, key) => ({title, number: true, value: (row) => row.own[key], cell: (row) => count(row.own[key])});
	const directories = new PlainTable($('#directories'), [
		{title: 'directory', value: (row) => row.path, cell: (row) => link(row.name, () => go(row.path))},
		number('open', 'open'), number('logic', 'logic'), number('decided', 'decided'), number('all', 'all'),
	], 1, -1);
	const roles = new PlainTable($('#roles'), [
		{title: 'role', value: (row) => row.name, cell: (row) => link(row.name || 'none', () => set({role: row.name || 'none'}))},
		number('open', 'open'), number('logic', 'logic'), number('decided', 'decided'), number('all', 'all'),
	], 1, -1);
	const conflicts = new PlainTable($('#conflicts'), [
		{title: 'place', value: (row) => row.place, cell: (row) => element('bdi', {textContent: row.place})},
		{title: 'what meets what', value: (row) => row.why, cell: (row) => row.why},
	], 0, 1);
	conflicts.show(sites.conflicts.map((n) => ({
		place: `${sites.strings[sites.steps.path[n]]}:${sites.steps.line[n]}`, why: sites.strings[sites.steps.why[n]],
	})));

	function options(select, values) {
		$(select).append(...values.map((value) => element('option', {value, textContent: value})));
	}
	options('#role', sites.values('role'));
	options('#macro', sites.values('macro'));

	function byRole() {
		const rows = new Map();
		for (const site of sites.filter({...filter, text: '', status: '', unit: '', role: '', macro: ''})) {
			const name = sites.text('role', site);
			if (!rows.has(name))
				rows.set(name, {name, own: {open: 0, logic: 0, review: 0, decided: 0, definition: 0, inert: 0, all: 0}});
			const {own} = rows.get(name);
			const status = sites.text('status', site);
			own[status]++;
			own.all++;
			own.open += OPEN.includes(status);
		}
		return [...rows.values()].filter((row) => row.own.open + row.own.decided > 0);
	}

	function crumbs() {
		const parts = filter.under.split('/').filter((part) => part);
		const places = parts.map((part, n) => {
			const path = parts.slice(0, n + 1).join('/');
			return [part, path === filter.under ? path : `${path}/`];
		});
		$('#crumbs').replaceChildren(...[['tree', ''], ...places].flatMap(([name, path], n) =>
			[n ? ' / ' : '', link(name, () => go(path))]));
	}

	/* Go into a directory, or to a file; '' is the whole tree. */
	function go(path) {
		set({under: path});
	}

	function set(changes) {
		const moved = 'under' in changes || 'derived' in changes;
		Object.assign(filter, changes);
		if ('derived' in changes)
			counts = sites.tally(filter.derived);
		if (moved)
			overview();
		for (const name of ['text', 'status', 'unit', 'role', 'macro'])
			$(`#${name}`).value = filter[name];
		$('#derived').checked = filter.derived;
		list();
	}

	function overview() {
		const directory = filter.under.slice(0, filter.under.lastIndexOf('/') + 1);
		crumbs();
		treemap.show(counts, directory, $('#measure').value);
		directories.show(children(counts, directory));
		roles.show(byRole());
	}

	function list() {
		const found = sites.filter(filter);
		table.show(found);
		$('#found').textContent = `${count(found.length)} of ${count(sites.length)} uses`;
	}

	function detail(site) {
		$('#detail').replaceChildren(...detailOf(sites, site, meanings));
		$('#detail').scrollTop = 0;
		$('main').classList.add('with-detail');
	}

	function close() {
		$('main').classList.remove('with-detail');
		$('#scroller').focus();
	}

	/* Show the site that the address names; filters that hide it go. */
	function follow() {
		let place;
		try {
			place = decodeURIComponent(location.hash.slice(1));
		} catch {
			return;
		}
		const site = sites.at(place);
		if (site === undefined) {
			if (place)
				$('#detail').replaceChildren(element('p', {textContent: `No use stands at ${place}.`}));
			return;
		}
		if (!table.found.includes(site))
			set({text: '', status: '', unit: '', role: '', macro: '', under: '', derived: sites.columns.derived[site] === 1});
		table.reveal(table.found.indexOf(site));
		detail(site);
		$('#sites').scrollIntoView({block: 'start'});
	}

	$('#filters').addEventListener('submit', (event) => event.preventDefault());
	$('#text').addEventListener('input', (event) => {
		filter.text = event.target.value;
		list();
	});
	for (const name of ['status', 'unit', 'role', 'macro'])
		$(`#${name}`).addEventListener('change', (event) => set({[name]: event.target.value}));
	$('#derived').addEventListener('change', (event) => set({derived: event.target.checked}));
	$('#measure').addEventListener('change', overview);
	$('#reset').addEventListener('click', () =>
		set({text: '', status: 'open', unit: '', role: '', macro: '', under: '', derived: false}));
	$('#close').addEventListener('click', close);
	for (const tile of document.querySelectorAll('.tile[data-status]'))
		tile.addEventListener('click', () => set({status: tile.dataset.status}));
	for (const tab of document.querySelectorAll('[role=tab]'))
		tab.addEventListener('click', () => choose(tab));
	function choose(chosen) {
		for (const tab of document.querySelectorAll('[role=tab]')) {
			tab.setAttribute('aria-selected', tab === chosen);
			$(`#${tab.getAttribute('aria-controls')}`).hidden = tab !== chosen;
		}
	}
	document.addEventListener('keydown', (event) => {
		if (event.key === '/' && !['INPUT', 'SELECT'].includes(document.activeElement.tagName)) {
			event.preventDefault();
			$('#text').focus();
		} else if (event.key === 'Escape' && $('main').classList.contains('with-detail') &&
			!$('#treemap').contains(document.activeElement))
			close();
	});
	window.addEventListener('hashchange', follow);

	set({under: ''});
	follow();
	document.body.dataset.ready = 'yes';
}

unpacked().then(started).catch((error) => {
	$('#trouble').textContent = `The page cannot be shown: ${error.message}`;
	$('#trouble').hidden = false;
});
