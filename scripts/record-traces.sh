#!/bin/sh
# Records the strace logs under fixtures/traces/ anew: small real programs, their memory calls only.
# Needs strace, python3 and gcc. The environment is emptied so that a log tells nothing of the machine's user.
set -eu

for tool in strace setarch python3 gcc; do
    command -v "$tool" >/dev/null || { echo "record-traces: $tool is not installed" >&2; exit 2; }
done

out=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)/fixtures/traces
work=$(mktemp -d /tmp/pgconv-traces.XXXXXX)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir -p "$out"

# record NAME STRACE-OPTION... -- COMMAND...
record() {
    name=$1
    shift
    # setarch -R: equal addresses every time, so that two recordings differ only where the programs do.
    setarch -R env -i PATH=/usr/bin:/bin LANG=C strace -f -o "$out/$name.strace" "$@"
    wc -l "$out/$name.strace"
}

cat >main.c <<'C'
#include <stdio.h>
int main(void)
{
	puts("hello");
	return 0;
}
C

cat >words.sh <<'SH'
for word in page table folio; do
	printf '%s\n' "$word"
done | sort | while read -r word; do
	echo "$(printf '%s' "$word" | wc -c) $word"
done
SH

cat >work.py <<'PY'
import json
import subprocess
import threading

rows = [{"pfn": pfn, "name": str(pfn)} for pfn in range(20000)]
text = json.dumps(rows)
threads = [threading.Thread(target=json.loads, args=(text,)) for _ in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
subprocess.run(["/usr/bin/true"], check=True)
PY

# Without -y: which file a descriptor means must be learnt from openat(2).
record python -e trace=%memory,%process,openat,open,close,dup,dup2,dup3,fcntl -- /usr/bin/python3 -S -I work.py
# With -y the path stands in the call, and with -tt and -T there are times.
record gcc -y -tt -T -e trace=%memory,%process -- /usr/bin/gcc -O2 -o main main.c
record shell -y -e trace=%memory,%process -- /bin/sh words.sh
