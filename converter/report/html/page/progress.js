/* The page: which part of the tree its charts show, and the tables to choose it from. */
function started(data) {
	const {measures, steps} = data;
	const at = Object.fromEntries(measures.map((name, n) => [name, n]));
	const sum = (row, names) => names.reduce((total, name) => total + row[at[name]], 0);
	const LEFT = ['pte', 'pg', 'review', 'logic'];
	const CONVERTED = ['converted pte', 'converted pg'];
	const labels = steps.map(([, , label]) => label);
	const along = spread(steps.map(([, day]) => day));
	const shownAs = [
		['left to convert', 'left', LEFT], ['decided as pte', 'decided', ['pte']], ['decided as pg', 'decided', ['pg']],
		['review', 'review', ['review']], ['logic', 'logic', ['logic']],
		['converted, pte', 'converted', ['converted pte']], ['converted, pg', 'converted', ['converted pg']],
		['right as they stand', 'converted', ['kept']],
	];

	function show(name, trend) {
		$('#scope').replaceChildren(element('bdi', {textContent: name}));
		const lines = shownAs
			.map(([title, kind, names]) => [title, kind, trend.map((row) => sum(row, names))])
			.filter(([, kind, numbers]) => kind !== 'converted' || numbers.some((number) => number));
		$('#charts').replaceChildren(...lines.map(([title, kind, numbers]) => chart(title, kind, numbers, labels, along)));
		perStep.show(trend.map((row, n) => ({row, n})));
		$('#whole').hidden = trend === data.whole;
	}

	const number = (title, value) => ({title, number: true, value, cell: (row) => count(value(row))});
	const perStep = new PlainTable($('#steps'), [
		{title: 'step', value: ({n}) => n, cell: ({n}) => labels[n]},
		{title: 'day', value: ({n}) => steps[n][1], cell: ({n}) => steps[n][1]},
		{title: 'commit', value: ({n}) => steps[n][0], cell: ({n}) => element('code', {textContent: steps[n][0].slice(0, 12)})},
		number('left', ({row}) => sum(row, LEFT)), number('pte', ({row}) => row[at.pte]), number('pg', ({row}) => row[at.pg]),
		number('review', ({row}) => row[at.review]), number('logic', ({row}) => row[at.logic]),
		number('converted', ({row}) => sum(row, CONVERTED)),
	], 0, -1);

	function groups(selector, title, trends) {
		const last = (trend) => trend.at(-1);
		const change = ({trend}) => sum(last(trend), LEFT) - sum(trend[0], LEFT);
		const table = new PlainTable($(selector), [
			{
				title, value: ({name}) => name,
				cell: ({name, trend}) => element('button', {type: 'button', className: 'link', onclick: () => {
					show(name, trend);
					$('#charts').scrollIntoView({block: 'nearest'});
				}}, element('bdi', {textContent: name})),
			},
			number('left', ({trend}) => sum(last(trend), LEFT)),
			...LEFT.map((name) => number(name, ({trend}) => last(trend)[at[name]])),
			number('converted', ({trend}) => sum(last(trend), CONVERTED)),
			{title: 'change', number: true, value: change, cell: (row) => signed(change(row))},
			{title: 'left, over time', value: change, cell: ({trend}) => spark(trend.map((row) => sum(row, LEFT)), along)},
		], 1, -1);
		const rows = Object.entries(trends).map(([name, trend]) => ({name, trend}));
		table.show(rows.filter(({trend}) => trend.some((row) => sum(row, LEFT) + sum(row, CONVERTED))));
	}
	groups('#directories', 'directory', data.directories);
	groups('#subsystems', 'subsystem', data.subsystems);

	const text = (title, key) => ({title, value: (use) => use[key], cell: (use) => element('bdi', {textContent: use[key]})});
	const newest = new PlainTable($('#newest'), [
		{title: 'authored', value: (use) => use.day, cell: (use) => use.day || `by ${labels[use.step]}`},
		{
			title: 'commit', value: (use) => use.subject, cell: (use) => element('span', {title: use.commit},
				element('code', {textContent: use.commit.slice(0, 12)}), ' ',
				element('bdi', {className: 'subject', title: use.subject, textContent: use.subject})),
		},
		text('place', 'place'), text('name', 'macro'),
		{title: 'status', value: (use) => use.status, cell: (use) => element('span', {className: `status is-${use.status}`, textContent: use.status})},
		text('unit', 'unit'), text('role', 'role'),
		{title: 'source line', value: (use) => use.source, cell: (use) => element('code', {textContent: use.source})},
	], 0, -1);

	function search() {
		const terms = $('#text').value.toLowerCase().split(/\s+/).filter((term) => term);
		const found = data.newest.filter((use) => {
			const all = [use.place, use.macro, use.subject, use.commit, use.status, use.role, use.source].join('\n').toLowerCase();
			return terms.every((term) => all.includes(term));
		});
		newest.show(found);
		$('#found').textContent = `${count(found.length)} of ${count(data.newest.length)} new uses`;
	}
	$('#text').addEventListener('input', search);
	$('#filters').addEventListener('submit', (event) => event.preventDefault());
	$('#whole').addEventListener('click', () => show('the whole tree', data.whole));

	show('the whole tree', data.whole);
	search();
	document.body.dataset.ready = 'yes';
}

unpacked().then(started).catch((error) => {
	$('#trouble').textContent = `The page cannot be shown: ${error.message}`;
	$('#trouble').hidden = false;
});
