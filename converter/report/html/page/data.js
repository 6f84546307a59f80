/* The page's data: JSON, gzip, base64. Decoded here, without a network. */
async function unpacked() {
	if (typeof DecompressionStream === 'undefined')
		throw new Error('this browser is too old to read the page: it lacks DecompressionStream');
	const text = atob($('#data').textContent.replaceAll('\n', ''));
	const bytes = Uint8Array.from(text, (char) => char.charCodeAt(0));
	const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
	return new Response(stream).json();
}

