/* A treemap of one directory and what lies in its directories: areas are counts (Bruls, Huizing, van Wijk, 2000). */

/* Rectangles of items (with .weight, the largest first) that fill a rectangle, as square as they come. */
function squarified(items, x, y, width, height) {
	const placed = [];
	let total = items.reduce((sum, item) => sum + item.weight, 0);
	let start = 0;
	while (start < items.length && total > 0) {
		const side = Math.min(width, height);
		const scale = (width * height) / total;
		let weight = 0;
		let worst = Infinity;
		let end = start;
		for (; end < items.length; end++) {
			const sum = weight + items[end].weight;
			const thickness = (sum * scale) / side;
			const ratio = (item) => {
				const length = (item.weight * scale) / thickness;
				return Math.max(length / thickness, thickness / length);
			};
			const next = Math.max(ratio(items[start]), ratio(items[end]));
			if (next > worst)
				break;
			worst = next;
			weight = sum;
		}
		const thickness = (weight * scale) / side;
		let along = 0;
		for (const item of items.slice(start, end)) {
			const length = (item.weight * scale) / thickness;
			placed.push(width >= height
				? {item, x, y: y + along, width: thickness, height: length}
				: {item, x: x + along, y, width: length, height: thickness});
			along += length;
		}
		if (width >= height) {
			x += thickness;
			width -= thickness;
		} else {
			y += thickness;
			height -= thickness;
		}
		total -= weight;
		start = end;
	}
	return placed;
}

const SHADES = [0.05, 0.1, 0.2, 0.4];

/* 0 to 4: how large a part of the uses in kernel code is still open. */
function shade({open, decided}) {
	const part = open / (open + decided);
	return SHADES.filter((bound) => part >= bound).length;
}

class Treemap {
	constructor(place, enter) {
		this.place = place;
		this.enter = enter;
		place.addEventListener('keydown', (event) => this.key(event));
		new ResizeObserver(() => this.draw()).observe(place);
	}

	show(counts, directory, measure) {
		Object.assign(this, {counts, directory, measure});
		this.draw();
	}

	draw() {
		const {width, height} = this.place.getBoundingClientRect();
		if (!this.counts || width < 10)
			return;
		const cells = this.level(this.directory, 0, 0, width, height);
		const made = cells.map((cell, n) => this.cell(cell, n === 0));
		const nothing = element('p', {textContent: 'no such use here'});
		this.place.replaceChildren(...(made.length ? made : [nothing]));
	}

	level(directory, x, y, width, height) {
		const items = children(this.counts, directory)
			.map((child) => ({...child, weight: child.own[this.measure]}))
			.filter((child) => child.weight > 0)
			.sort((a, b) => b.weight - a.weight || (a.path < b.path ? -1 : 1));
		return squarified(items, x, y, width, height).filter((cell) => cell.width >= 3 && cell.height >= 3);
	}

	cell({item, x, y, width, height}, first) {
		const {own, name, path, weight} = item;
		const title = `${path}: ${count(own.open)} open (${count(own.logic)} logic), ` +
			`${count(own.decided)} decided, ${count(own.all)} in all`;
		const label = width > 34 && height > 16
			? element('span', {className: 'name'}, element('bdi', {textContent: name}), ` ${count(weight)}`) : null;
		const inner = [];
		if (path.endsWith('/') && width > 60 && height > 44) {
			for (const part of this.level(path, 2, 18, width - 5, height - 21)) {
				const text = part.width > 44 && part.height > 15
					? element('bdi', {textContent: part.item.name}) : null;
				inner.push(this.placed(element('span', {className: `part shade${shade(part.item.own)}`}, text), part));
			}
		}
		const button = element('button', {
			type: 'button', title, tabIndex: first ? 0 : -1, className: `cell shade${shade(own)}`,
			onclick: () => this.enter(path), 'aria-label': title,
		}, label, ...inner);
		return this.placed(button, {x, y, width, height});
	}

	placed(made, {x, y, width, height}) {
		Object.assign(made.style, {
			left: `${x}px`, top: `${y}px`, width: `${Math.max(width - 1, 1)}px`, height: `${Math.max(height - 1, 1)}px`,
		});
		return made;
	}

	key(event) {
		const cells = [...this.place.querySelectorAll('.cell')];
		const here = cells.indexOf(document.activeElement);
		const step = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
		if (step !== undefined && here !== -1) {
			const next = cells[Math.min(Math.max(here + step, 0), cells.length - 1)];
			cells[here].tabIndex = -1;
			next.tabIndex = 0;
			next.focus();
		} else if (['Backspace', 'Escape'].includes(event.key) && this.directory) {
			this.enter(this.directory.slice(0, this.directory.lastIndexOf('/', this.directory.length - 2) + 1));
			this.place.querySelector('.cell')?.focus();
		} else
			return;
		event.preventDefault();
	}
}

