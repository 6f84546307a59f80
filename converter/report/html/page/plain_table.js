/* A table that sorts by a click on a column's head. Of many rows the first are built; a button below brings more. */
class PlainTable {
	static STEP = 100;

	/* columns: {title, value(row) for sorting, cell(row) -> string or element, number: aligned right} */
	constructor(place, columns, sortedBy, direction) {
		this.columns = columns;
		this.sortedBy = sortedBy;
		this.direction = direction;
		this.rows = [];
		this.heads = columns.map((column, n) => {
			const button = element('button', {type: 'button', textContent: column.title, onclick: () => this.sortBy(n)});
			return element('th', {scope: 'col', className: column.number ? 'number' : ''}, button);
		});
		this.body = element('tbody');
		place.replaceChildren(element('table', {className: 'plain'},
			element('thead', {}, element('tr', {}, ...this.heads)), this.body));
		this.more = element('button', {type: 'button', className: 'more', hidden: true, onclick: () => this.build()});
		place.append(this.more);
	}

	sortBy(n) {
		this.direction = this.sortedBy === n ? -this.direction : this.columns[n].number ? -1 : 1;
		this.sortedBy = n;
		this.show(this.rows);
	}

	show(rows) {
		const {value} = this.columns[this.sortedBy];
		this.rows = rows;
		const keyed = rows.map((row) => [value(row), row]);
		keyed.sort(([a], [b]) => this.direction * (a < b ? -1 : a > b ? 1 : 0));
		this.heads.forEach((head, n) => head.setAttribute('aria-sort',
			n !== this.sortedBy ? 'none' : this.direction > 0 ? 'ascending' : 'descending'));
		this.sorted = keyed.map(([, row]) => row);
		this.body.replaceChildren();
		this.build();
	}

	/* The next rows, below those that are there. */
	build() {
		const from = this.body.rows.length;
		this.body.append(...this.sorted.slice(from, from + PlainTable.STEP).map((row) => element('tr', {},
			...this.columns.map((column) =>
				element('td', {className: column.number ? 'number' : ''}, column.cell(row))))));
		const left = this.sorted.length - this.body.rows.length;
		this.more.hidden = left === 0;
		this.more.textContent = `show ${count(Math.min(left, PlainTable.STEP))} more of ${count(left)}`;
	}
}
