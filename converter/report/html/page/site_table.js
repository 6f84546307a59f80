/* The sites as a table of which only the rows in sight exist. */
const SITE_HEADS = [
	['path', 'place'], ['macro', 'name'], ['replacement', 'becomes'], ['status', 'status'], ['role', 'role'],
	['confidence', 'right'], ['source', 'source line'],
];
const BEYOND = 8;

class SiteTable {
	constructor(sites, {heads, scroller, space, empty}, chosen) {
		Object.assign(this, {sites, scroller, space, empty, chosen});
		this.found = [];
		this.here = -1;
		this.column = 'path';
		this.direction = 1;
		this.pool = [];
		this.heads = new Map(SITE_HEADS.map(([column, title]) => [column, element('div', {role: 'columnheader'},
			element('button', {type: 'button', textContent: title, onclick: () => this.sortBy(column)}))]));
		heads.replaceChildren(...this.heads.values());
		scroller.addEventListener('scroll', () => this.draw(), {passive: true});
		scroller.addEventListener('keydown', (event) => this.key(event));
		space.addEventListener('click', (event) => {
			const row = event.target.closest('.row');
			if (row && !event.target.closest('a'))
				this.choose(row.position);
		});
		new ResizeObserver(() => this.measure()).observe(scroller);
	}

	show(found) {
		const kept = this.found[this.here];
		this.found = found;
		this.order();
		this.here = this.found.indexOf(kept);
		this.scroller.scrollTop = 0;
		this.measure();
	}

	sortBy(column) {
		const kept = this.found[this.here];
		this.direction = this.column === column ? -this.direction : 1;
		this.column = column;
		this.order();
		this.here = this.found.indexOf(kept);
		this.scroller.scrollTop = 0;
		this.draw();
	}

	order() {
		this.sites.sort(this.found, this.column, this.direction);
		for (const [column, head] of this.heads)
			head.setAttribute('aria-sort',
				column !== this.column ? 'none' : this.direction > 0 ? 'ascending' : 'descending');
	}

	measure() {
		this.height = parseFloat(getComputedStyle(this.scroller).getPropertyValue('--row'));
		this.space.style.height = `${this.found.length * this.height}px`;
		this.scroller.parentElement.setAttribute('aria-rowcount', this.found.length);
		this.empty.hidden = this.found.length > 0;
		this.draw();
	}

	draw() {
		const first = Math.max(Math.floor(this.scroller.scrollTop / this.height) - BEYOND, 0);
		const last = Math.min(first + Math.ceil(this.scroller.clientHeight / this.height) + 2 * BEYOND, this.found.length);
		while (this.pool.length < last - first) {
			this.pool.push(new SiteRow());
			this.space.append(this.pool.at(-1).row);
		}
		this.pool.forEach((row, n) => {
			const position = first + n;
			row.row.hidden = position >= last;
			if (position < last)
				row.show(this.sites, this.found[position], position, position * this.height, position === this.here);
		});
		const here = this.pool.find((row) => !row.row.hidden && row.row.position === this.here);
		if (here)
			this.scroller.setAttribute('aria-activedescendant', here.row.id);
		else
			this.scroller.removeAttribute('aria-activedescendant');
	}

	/* Make the row at a position the chosen one, in the middle of what is in sight. */
	reveal(position) {
		this.here = position;
		this.scroller.scrollTop = position * this.height - (this.scroller.clientHeight - this.height) / 2;
		this.draw();
	}

	/* The same by a person, who sees no more move than must. */
	choose(position) {
		this.here = Math.min(Math.max(position, 0), this.found.length - 1);
		const top = this.here * this.height;
		if (top < this.scroller.scrollTop)
			this.scroller.scrollTop = top;
		else if (top + this.height > this.scroller.scrollTop + this.scroller.clientHeight)
			this.scroller.scrollTop = top + this.height - this.scroller.clientHeight;
		this.draw();
		if (this.here >= 0)
			this.chosen(this.found[this.here]);
	}

	key(event) {
		const page = Math.max(Math.floor(this.scroller.clientHeight / this.height) - 1, 1);
		const to = {
			ArrowDown: this.here + 1, ArrowUp: this.here - 1, PageDown: this.here + page, PageUp: this.here - page,
			Home: 0, End: this.found.length - 1,
		}[event.key];
		if (to === undefined || event.ctrlKey || event.metaKey || event.altKey)
			return;
		event.preventDefault();
		this.choose(to);
	}
}

class SiteRow {
	constructor() {
		const cell = (name, ...inside) => element('span', {role: 'gridcell', className: name}, ...inside);
		this.path = element('bdi');
		this.line = element('span', {className: 'line'});
		this.link = element('a', {tabIndex: -1, className: 'place'}, element('span', {className: 'path'}, this.path), this.line);
		this.macro = cell('macro');
		this.becomes = cell('becomes');
		this.status = cell('status');
		this.role = cell('role');
		this.right = cell('right');
		this.source = cell('source');
		this.row = element('div', {role: 'row', id: `row${SiteRow.made++}`},
			cell('where', this.link), this.macro, this.becomes, this.status, this.role, this.right, this.source);
	}

	show(sites, site, position, top, here) {
		const {row} = this;
		row.position = position;
		row.className = here ? 'row here' : 'row';
		row.setAttribute('aria-selected', here);
		row.setAttribute('aria-rowindex', position + 1);
		row.style.transform = `translateY(${top}px)`;
		if (this.site === site)
			return;
		this.site = site;
		const status = sites.text('status', site);
		this.path.textContent = sites.text('path', site);
		this.line.textContent = `:${sites.columns.line[site]}`;
		this.link.href = hashOf(sites, site);
		this.link.title = `${this.path.textContent}${this.line.textContent}`;
		this.macro.textContent = sites.text('macro', site);
		const guess = status === 'review' ? '?' : '';
		this.becomes.textContent = ['decided', 'review'].includes(status) && sites.columns.replacement[site]
			? sites.text('replacement', site) + guess : '';
		this.status.textContent = status;
		this.status.className = `status is-${status}`;
		this.role.textContent = sites.text('role', site);
		this.right.textContent = ['decided', 'review'].includes(status) && sites.columns.unit[site]
			? `${Math.round(sites.columns.confidence[site] / 10)}%` : '';
		this.source.textContent = sites.text('source', site);
	}
}
SiteRow.made = 0;

/* The link of a site: #path:line, and :col where it is not the first of its line. */
function hashOf(sites, site) {
	const path = sites.text('path', site);
	const line = sites.columns.line[site];
	const first = sites.at(`${path}:${line}`) === site;
	return linkTo(path, line) + (first ? '' : `:${sites.columns.col[site]}`);
}

function linkTo(path, line) {
	return `#${path.split('/').map(encodeURIComponent).join('/')}:${line}`;
}

