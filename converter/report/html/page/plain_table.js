/* A table of some hundred rows that sorts by a click on a column's head. */
class PlainTable {
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
		this.body.replaceChildren(...keyed.map(([, row]) => element('tr', {}, ...this.columns.map((column) =>
			element('td', {className: column.number ? 'number' : ''}, column.cell(row))))));
	}
}

