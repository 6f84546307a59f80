/* The sites, column by column: what passes a filter, in which order, and counts by path. */
const OPEN = ['review', 'logic'];

class Sites {
	constructor(data) {
		this.strings = data.strings;
		this.steps = data.steps;
		this.chains = data.chains;
		this.conflicts = data.conflicts;
		this.columns = data.sites;
		this.length = data.sites.path.length;
		this.haystack = null;
		this.places = null;
		this.ranks = new Map();
	}

	text(column, site) {
		return this.strings[this.columns[column][site]];
	}

	/* Different values of a column, in alphabetical order, without the empty one. */
	values(column) {
		return [...new Set(this.columns[column])].filter((n) => n).map((n) => this.strings[n]).sort();
	}

	/* All that the search looks through, in lower case; made when it is first needed. */
	searchable() {
		if (this.haystack === null) {
			const fields = ['path', 'function', 'macro', 'role', 'rule', 'source'];
			this.haystack = Array.from({length: this.length}, (_, site) =>
				fields.map((field) => this.text(field, site)).join('\n').toLowerCase());
		}
		return this.haystack;
	}

	/* Numbers of the sites that pass, in the tree's order. */
	filter({text, status, unit, role, macro, under, derived}) {
		const terms = text.toLowerCase().split(/\s+/).filter((term) => term);
		const searchable = terms.length ? this.searchable() : null;
		const wanted = {};
		for (const [column, value] of Object.entries({unit, role, macro}))
			if (value)
				wanted[column] = value === 'none' ? 0 : this.strings.indexOf(value);
		const allowed = status === 'open' ? OPEN : status ? [status] : null;
		const statuses = allowed && new Set(allowed.map((name) => this.strings.indexOf(name)));
		const inside = under ? this.below(under) : null;
		const found = [];
		for (let site = 0; site < this.length; site++) {
			if (!derived && this.columns.derived[site])
				continue;
			if (statuses && !statuses.has(this.columns.status[site]))
				continue;
			if (inside && !inside.has(this.columns.path[site]))
				continue;
			if (Object.keys(wanted).some((column) => this.columns[column][site] !== wanted[column]))
				continue;
			if (searchable && !terms.every((term) => searchable[site].includes(term)))
				continue;
			found.push(site);
		}
		return found;
	}

	/* Numbers of the paths in a directory (which ends in a slash), or of the one file. */
	below(under) {
		const paths = new Set(this.columns.path);
		return new Set([...paths].filter((n) =>
			under.endsWith('/') ? this.strings[n].startsWith(under) : this.strings[n] === under));
	}

	/* Sort numbers of sites in place by a column; direction is 1 or -1. */
	sort(found, column, direction) {
		const keys = this.columns[column];
		const rank = ['line', 'confidence'].includes(column) ? null : this.rank(column);
		found.sort((a, b) => direction * (rank ? rank.get(keys[a]) - rank.get(keys[b]) : keys[a] - keys[b]) || a - b);
	}

	rank(column) {
		if (!this.ranks.has(column)) {
			const used = [...new Set(this.columns[column])];
			used.sort((a, b) => (this.strings[a] < this.strings[b] ? -1 : this.strings[a] > this.strings[b] ? 1 : 0));
			this.ranks.set(column, new Map(used.map((n, position) => [n, position])));
		}
		return this.ranks.get(column);
	}

	/* The first site at path:line, or the one at path:line:col; undefined where there is none. */
	at(place) {
		if (this.places === null) {
			this.places = new Map();
			for (let site = this.length - 1; site >= 0; site--) {
				const line = `${this.text('path', site)}:${this.columns.line[site]}`;
				this.places.set(`${line}:${this.columns.col[site]}`, site);
				this.places.set(line, site);
			}
		}
		return this.places.get(place);
	}

	/* Counts by status of each path and each directory (with its slash; '' is the tree). */
	tally(derived) {
		const counts = new Map();
		const files = new Map();
		const statuses = new Map();
		for (let site = 0; site < this.length; site++) {
			if (!derived && this.columns.derived[site])
				continue;
			const path = this.columns.path[site];
			if (!files.has(path))
				files.set(path, {decided: 0, review: 0, logic: 0, definition: 0, inert: 0, open: 0, all: 0});
			const own = files.get(path);
			const number = this.columns.status[site];
			if (!statuses.has(number))
				statuses.set(number, this.strings[number]);
			const status = statuses.get(number);
			own[status]++;
			own.all++;
			if (OPEN.includes(status))
				own.open++;
		}
		for (const [number, own] of files) {
			const path = this.strings[number];
			Sites.add(counts, path, own);
			for (let end = path.lastIndexOf('/') + 1; end > 0; end = path.lastIndexOf('/', end - 2) + 1)
				Sites.add(counts, path.slice(0, end), own);
			Sites.add(counts, '', own);
		}
		return counts;
	}

	static add(counts, key, own) {
		const sum = counts.get(key);
		if (sum === undefined)
			counts.set(key, {...own});
		else
			for (const name of Object.keys(own))
				sum[name] += own[name];
	}
}

/* Direct children of a directory: directories with their slash, and files. */
function children(counts, directory) {
	const found = [];
	for (const [path, own] of counts) {
		if (path === directory || !path.startsWith(directory))
			continue;
		const rest = path.slice(directory.length);
		const slash = rest.indexOf('/');
		if (slash === -1 || slash === rest.length - 1)
			found.push({path, name: rest, own});
	}
	return found;
}

