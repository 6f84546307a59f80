/* Elements are built, never parsed: text of a tree can only become text. */
const $ = (selector) => document.querySelector(selector);

function element(tag, properties = {}, ...children) {
	const made = document.createElement(tag);
	for (const [name, value] of Object.entries(properties)) {
		if (name in made)
			made[name] = value;
		else
			made.setAttribute(name, value);
	}
	made.append(...children.filter((child) => child !== null && child !== undefined));
	return made;
}

const count = (number) => number.toLocaleString('en-US');

