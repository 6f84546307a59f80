/* One site: what was decided, the change, and the chains of evidence with their source lines. */
function detailOf(sites, site, meanings) {
	const text = (column) => sites.text(column, site);
	const status = text('status');
	const unit = text('unit').toUpperCase();
	const place = `${text('path')}:${sites.columns.line[site]}:${sites.columns.col[site]}`;
	const facts = element('dl');
	const fact = (name, ...value) => facts.append(element('dt', {textContent: name}), element('dd', {}, ...value));
	fact('status', element('span', {className: `status is-${status}`, textContent: status}), ` ${meanings[status]}`);
	if (['decided', 'review', 'logic'].includes(status))
		fact('unit', (unit || 'none') + (unit && status !== 'decided' ? ' (best guess)' : ''));
	if (text('role'))
		fact('role', text('role'));
	if (text('policy'))
		fact('policy', `${text('policy')}: a free choice, made in the scheme's file`);
	if (text('rule')) {
		const right = sites.columns.confidence[site] / 1000;
		fact('evidence', `${text('rule')}, right on ${Math.round(right * 100)}% of the labelled uses`);
	}
	if (text('missing'))
		fact('missing', text('missing'));
	return [
		element('h2', {}, element('a', {href: hashOf(sites, site)}, element('bdi', {textContent: place}))),
		element('p', {className: 'within'}, text('macro'), text('function') ? ` in ${text('function')}()` : ''),
		changeOf(sites, site, status),
		facts,
		...chainOf(sites, sites.columns.why[site], status === 'logic' ? 'One side' : `Why ${unit || status}`),
		...chainOf(sites, sites.columns.against[site], status === 'logic' ? 'The other side' : 'Against it'),
	];
}

/* The source line, and below it what it becomes, where a rename is the answer or the best guess. */
function changeOf(sites, site, status) {
	const source = sites.text('source', site);
	const at = sites.columns.at[site];
	const macro = sites.text('macro', site);
	const line = (sign, name, kind) => element('div', {className: kind}, `${sign} `,
		...(at < 0 ? [source] : [source.slice(0, at), element('mark', {textContent: name}), source.slice(at + macro.length)]));
	const replacement = sites.text('replacement', site);
	const renamed = ['decided', 'review'].includes(status) && replacement && replacement !== macro && at >= 0;
	const change = element('pre', {className: 'change'});
	if (!renamed)
		change.append(line(' ', macro, 'same'));
	else
		change.append(line('-', macro, 'gone'), line('+', replacement, 'come'));
	const note = status === 'review' && renamed ? 'A guess: do not rename on it.'
		: status === 'logic' ? 'A rename is not enough here: the code uses both units.' : '';
	return element('figure', {}, change, note ? element('figcaption', {textContent: note}) : null);
}

function chainOf(sites, chain, title) {
	const steps = sites.chains[chain];
	if (!steps.length)
		return [];
	return [element('h3', {textContent: title}), element('ol', {className: 'chain'}, ...steps.map((n) => stepOf(sites, n)))];
}

function stepOf(sites, n) {
	const path = sites.strings[sites.steps.path[n]];
	const line = sites.steps.line[n];
	const source = sites.strings[sites.steps.source[n]];
	const place = line ? `${path}:${line}` : path;
	const known = line && sites.at(place) !== undefined;
	const where = place && element(known ? 'a' : 'span', {className: 'place'}, element('bdi', {textContent: place}));
	if (known)
		where.href = linkTo(path, line);
	return element('li', {}, where || '', place ? ': ' : '', sites.strings[sites.steps.why[n]],
		source ? element('code', {textContent: source}) : null);
}

