/* Trend lines in SVG: one chart a measure, each with a scale of its own, which its labels tell. */
const SVG = 'http://www.w3.org/2000/svg';

function drawn(tag, attributes, ...children) {
	const made = document.createElementNS(SVG, tag);
	for (const [name, value] of Object.entries(attributes))
		made.setAttribute(name, value);
	made.append(...children);
	return made;
}

/* Where steps lie between the first and the last, from 0 to 1: by their days, or evenly where days do not part them. */
function spread(days) {
	const times = days.map((day) => Date.parse(day));
	const last = times.length - 1;
	if (last === 0)
		return [0.5];
	const parted = times.every((time, n) => n === 0 || time > times[n - 1]);
	return times.map((time, n) => (parted ? (time - times[0]) / (times[last] - times[0]) : n / last));
}

/* The line through numbers, in a box; `along` is where each lies from left to right. */
function line(numbers, along, x, y, width, height) {
	const least = Math.min(...numbers);
	const span = Math.max(...numbers) - least;
	const at = (number, n) => [
		x + along[n] * width,
		y + (span ? height - ((number - least) * height) / span : height / 2),
	];
	return numbers.map(at);
}

const points = (places) => places.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(' ');

/* A chart with its name, its bounds, and the number of the step that is pointed at. */
function chart(name, kind, numbers, labels, along) {
	const [width, height] = [300, 110];
	const places = line(numbers, along, 52, 8, width - 62, height - 30);
	const last = numbers.length - 1;
	const change = numbers[last] - numbers[0];
	const note = (n) => `${labels[n]}: ${count(numbers[n])}`;
	const value = element('output', {className: 'value', textContent: note(last)});
	const dot = drawn('circle', {r: 3, class: 'dot', cx: places[last][0], cy: places[last][1]});
	const [least, most] = [Math.min(...numbers), Math.max(...numbers)];
	const bounds = least === most ? [[most, height / 2 - 4]] : [[most, 12], [least, height - 18]];
	const picture = drawn('svg', {
		viewBox: `0 0 ${width} ${height}`, role: 'img', class: `chart is-${kind}`,
		'aria-label': `${name}: from ${count(numbers[0])} to ${count(numbers[last])}`,
	},
	drawn('line', {x1: 52, x2: width - 10, y1: height - 18, y2: height - 18, class: 'axis'}),
	...bounds.map(([number, y]) => drawn('text', {x: 46, y, class: 'bound'}, count(number))),
	drawn('text', {x: 52, y: height - 4, class: 'label'}, labels[0]),
	drawn('text', {x: width - 10, y: height - 4, class: 'label end'}, last ? labels[last] : ''),
	drawn('polyline', {points: points(places), class: 'line'}), dot);
	const point = (n) => {
		value.textContent = note(n);
		dot.setAttribute('cx', places[n][0]);
		dot.setAttribute('cy', places[n][1]);
	};
	picture.addEventListener('pointermove', (event) => {
		const box = picture.getBoundingClientRect();
		const x = ((event.clientX - box.left) * width) / box.width;
		point(places.reduce((best, place, n) => (Math.abs(place[0] - x) < Math.abs(places[best][0] - x) ? n : best), 0));
	});
	picture.addEventListener('pointerleave', () => point(last));
	return element('figure', {className: 'trend'},
		element('figcaption', {}, element('strong', {textContent: name}), ' ', value,
			element('span', {className: 'change-of', textContent: signed(change)})), picture);
}

/* A line without anything else, for a cell of a table. */
function spark(numbers, along) {
	return drawn('svg', {viewBox: '0 0 80 18', width: 80, height: 18, class: 'spark', 'aria-hidden': 'true'},
		drawn('polyline', {points: points(line(numbers, along, 2, 3, 76, 12)), class: 'line'}));
}

const signed = (number) => (number > 0 ? `+${count(number)}` : number < 0 ? `\u2212${count(-number)}` : '\u00b10');

