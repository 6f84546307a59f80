"""Work spread over processes: results in order, and a file that kills its worker costs that file alone.

concurrent.futures breaks as a whole when one worker dies, and does not say on what. Here each worker has a pipe of its
own, so the guilty chunk is known.

The processes come from a fork server: a plain fork would copy locks held by other threads of the parent (a progress
bar, numpy's) and its open SQLite connection (sqlite.org/howtocorrupt.html, 2.6).
"""

import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import connection, forkserver, resource_tracker
from multiprocessing.context import ForkServerProcess
from types import ModuleType
from typing import Any, Generic, TypeVar

from converter.errors import InputError

T = TypeVar("T")
R = TypeVar("R")

Worker = Callable[[Sequence[T]], R]
"""What a process does with a chunk."""

_AHEAD = 2
"""Chunks at a worker: one in work and one waiting, so that it never waits for the parent."""

_PIPE = 1 << 15
"""Bytes of a message that fit into a pipe for sure, so that sending it cannot block."""

_READY = -1
"""In place of a chunk's number: the worker is set up, or cannot be."""

_STARTS = 3
"""Processes in a row that may die before they are ready."""

_ADVICE = "one job needs none"

_SAFE_PATH = "PYTHONSAFEPATH"

_NO_MEMORY = 12
"""Exit code of a worker that had no memory left to say so (ENOMEM)."""


@dataclass(frozen=True, slots=True)
class Lost(Generic[T]):
    """An item on which its worker died or failed although it was given that item alone."""

    item: T
    reason: str


def run(
    setup: Callable[[], Worker[T, R]], chunks: Iterable[Sequence[T]], jobs: int
) -> Generator[R | Lost[T], None, None]:
    """The worker's result for each chunk, in the order of the chunks, computed by `jobs` processes.

    setup  picklable (a module's function, functools.partial of one); called once in each process, returns the worker
    jobs   1 works in this process; so does a run of a single chunk

    A chunk on which the worker dies or raises is done again item by item: it gives a result for each item that is done,
    and a Lost for each that is not. InputError, in setup or worker, ends the run. Ending the iteration early, by an
    exception such as KeyboardInterrupt or by close(), ends the processes at once.
    """
    work = [list(chunk) for chunk in chunks]
    if jobs <= 1 or len(work) <= 1:
        return _run_here(setup, work)
    return _Pool(setup, work, min(jobs, len(work))).results()


def warm(module: str) -> None:
    """Start the fork server, which imports what workers of that module need while this process does something else."""
    multiprocessing.get_context("forkserver").set_forkserver_preload([__name__, module])
    with _nothing_from_here(), suppress(OSError, EOFError):  # run() meets them again, and says so
        resource_tracker.ensure_running()
        with _interrupt_blocked():
            forkserver.ensure_running()


def chunked(
    items: Iterable[T], weight: Callable[[T], int], heaviest: int = 4 << 20, longest: int = 256
) -> list[list[T]]:
    """Runs of neighbours, each of at most `longest` items and, unless it is a single item, `heaviest` in weight.

    Small against the whole, so that processes which take the next when they are done end at about the same time.
    """
    chunks: list[list[T]] = []
    total = 0
    for item in items:
        size = weight(item)
        if not chunks or total + size > heaviest or len(chunks[-1]) >= longest:
            chunks.append([])
            total = 0
        chunks[-1].append(item)
        total += size
    return chunks


def _run_here(setup: Callable[[], Worker[T, R]], work: list[list[T]]) -> Generator[R | Lost[T], None, None]:
    worker = setup()
    for chunk in work:
        result = _attempt(worker, chunk)
        if not isinstance(result, _Failure):
            yield result
        elif len(chunk) == 1:
            yield Lost(chunk[0], result.reason)
        else:
            for item in chunk:
                single = _attempt(worker, [item])
                yield Lost(item, single.reason) if isinstance(single, _Failure) else single


@dataclass(frozen=True, slots=True)
class _Failure:
    reason: str


def _attempt(worker: Worker[T, R], chunk: list[T]) -> R | _Failure:
    try:
        return worker(chunk)
    except InputError:
        raise
    except Exception as error:
        return _Failure(_described(error))


def _described(error: Exception) -> str:
    """One line: the exception, and where in the code it was raised."""
    if isinstance(error, MemoryError):
        return "out of memory"
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = "" if trace is None else f" ({os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno})"
    text = " ".join(str(error).split())
    return f"{type(error).__name__}{': ' if text else ''}{text}{place}"


@contextmanager
def _interrupt_blocked() -> Iterator[None]:
    """No SIGINT for processes started within: Ctrl-C goes to the whole group, and the parent ends its workers."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _nothing_from_here() -> Iterator[None]:
    """Processes started within import nothing from the working directory, which may be an untrusted tree: the fork
    server and multiprocessing's resource tracker are `python -c`, where it comes first."""
    before = os.environ.get(_SAFE_PATH)
    os.environ[_SAFE_PATH] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_SAFE_PATH]
        else:
            os.environ[_SAFE_PATH] = before


@contextmanager
def _main_hidden(setup: Callable[..., Any]) -> Iterator[None]:
    """Processes started within do not run the caller's script again, as multiprocessing has it.

    Without `if __name__ == "__main__"` the script would start a pool in each worker, and so on. Where `setup` is the
    script's own, there is no other way to find it.
    """
    main = sys.modules["__main__"]
    if _module(setup) != "__main__":
        sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _serve(pipe: "connection.Connection[Any, Any]", setup: Callable[[], Worker[T, R]]) -> None:
    """The life of a worker process: (number, chunk) in, (number, result, _Failure or InputError) out."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        try:
            worker = setup()
        except InputError as error:
            pipe.send_bytes(_pickled(_READY, error))
            return
        pipe.send_bytes(_pickled(_READY, None))
        while True:
            number, chunk = pickle.loads(pipe.recv_bytes())
            pipe.send_bytes(_answer(number, worker, chunk))
    except (EOFError, OSError):
        # The parent is gone, or has closed its end: nobody waits for an answer any more.
        os._exit(0)
    except MemoryError:
        os._exit(_NO_MEMORY)


def _end_with_parent() -> None:
    """In the middle of a chunk too: a parent that was killed could not end its workers."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)


def _answer(number: int, worker: Worker[T, R], chunk: list[T]) -> bytes:
    try:
        return _pickled(number, _attempt(worker, chunk))
    except InputError as error:
        return _pickled(number, error)
    except Exception as error:
        return _pickled(number, _Failure(_described(error)))


def _pickled(number: int, content: object) -> bytes:
    return pickle.dumps((number, content), pickle.HIGHEST_PROTOCOL)


@dataclass(slots=True)
class _Process:
    """A worker process as the parent sees it.

    sent  numbers of the chunks that it has, the oldest in work
    full  its pipe may be full: nothing more is sent before it answers, lest both wait for each other
    """

    process: ForkServerProcess
    pipe: "connection.Connection[Any, Any]"
    sent: deque[int] = field(default_factory=deque)
    ready: bool = False
    full: bool = False


class _Pool(Generic[T, R]):
    """Hands out chunks in order. A chunk that failed is replaced by its items, at the head of the queue."""

    def __init__(self, setup: Callable[[], Worker[T, R]], work: list[list[T]], jobs: int) -> None:
        self._setup = setup
        self._jobs = jobs
        self._context = multiprocessing.get_context("forkserver")
        self._processes: list[_Process] = []
        self._false_starts = 0
        self._chunks: dict[int, list[T]] = dict(enumerate(work))
        self._order = range(len(work))
        self._waiting: deque[int] = deque(self._order)
        self._done: dict[int, R | Lost[T]] = {}
        self._parts: dict[int, range] = {}
        self._second_chance: set[int] = set()
        self._next_number = len(work)

    def results(self) -> Generator[R | Lost[T], None, None]:
        try:
            self._context.set_forkserver_preload([__name__, _module(self._setup)])
            for number in self._order:
                yield from self._ordered(number)
        finally:
            self._end()

    def _ordered(self, number: int) -> Iterator[R | Lost[T]]:
        while number not in self._done and number not in self._parts:
            self._step()
        if number in self._done:
            yield self._done.pop(number)
            return
        for part in self._parts.pop(number):
            yield from self._ordered(part)

    def _step(self) -> None:
        """Keep every process busy, then wait for something to happen."""
        while len(self._processes) < self._jobs and len(self._waiting) > self._spare():
            self._start()
        for process in self._processes:
            self._feed(process)
        by_pipe: dict[Any, _Process] = {process.pipe: process for process in self._processes}
        for pipe in connection.wait(list(by_pipe)):
            self._receive(by_pipe[pipe])

    def _spare(self) -> int:
        """Chunks that the processes there are could take at once."""
        return sum(not process.sent for process in self._processes)

    def _start(self) -> None:
        try:
            here, there = self._context.Pipe()
            process = self._context.Process(target=_serve, args=(there, self._setup), daemon=True)
            with _main_hidden(self._setup), _nothing_from_here():
                # The fork server starts it first, and what starts it lets SIGINT through again: a fork server that
                # still imports would meet it.
                resource_tracker.ensure_running()
                with _interrupt_blocked():
                    process.start()
        except (OSError, EOFError) as error:
            raise InputError(f"cannot start worker processes: {error or 'the fork server died'}; {_ADVICE}") from None
        there.close()
        self._processes.append(_Process(process, here))

    def _feed(self, process: _Process) -> None:
        while self._waiting and process.ready and len(process.sent) < _AHEAD and not process.full:
            number = self._waiting[0]
            message = _pickled(number, self._chunks[number])
            if len(message) > _PIPE and process.sent:
                return
            self._waiting.popleft()
            process.sent.append(number)
            process.full = len(message) > _PIPE
            try:
                process.pipe.send_bytes(message)
            except OSError:
                # It died; reading from its pipe will say so.
                return

    def _receive(self, process: _Process) -> None:
        try:
            number, result = pickle.loads(process.pipe.recv_bytes())
        except (EOFError, OSError):
            self._bury(process)
            return
        if isinstance(result, InputError):
            raise result
        process.full = False
        if number == _READY:
            process.ready = True
            self._false_starts = 0
            return
        process.sent.remove(number)
        if isinstance(result, _Failure):
            self._failed(number, result.reason)
        else:
            self._done[number] = result
            del self._chunks[number]

    def _bury(self, process: _Process) -> None:
        """A process has died: on the oldest chunk that it had; the other one goes back."""
        self._processes.remove(process)
        process.pipe.close()
        process.process.join()
        cause = _cause(process.process.exitcode)
        if not process.ready:
            self._false_starts += 1
            if self._false_starts == _STARTS:
                raise InputError(f"cannot start worker processes: {cause}; {_ADVICE}")
        if not process.sent:
            return
        guilty, *innocent = process.sent
        self._waiting.extendleft(reversed(innocent))
        if len(self._chunks[guilty]) == 1 and guilty not in self._second_chance:
            # Perhaps it was not the item: memory that another process used, a process ended by mistake.
            self._second_chance.add(guilty)
            self._waiting.appendleft(guilty)
        else:
            self._failed(guilty, cause)

    def _failed(self, number: int, reason: str) -> None:
        chunk = self._chunks.pop(number)
        if len(chunk) == 1:
            self._done[number] = Lost(chunk[0], reason)
            return
        parts = range(self._next_number, self._next_number + len(chunk))
        self._next_number = parts.stop
        self._chunks.update(zip(parts, ([item] for item in chunk), strict=True))
        self._parts[number] = parts
        self._waiting.extendleft(reversed(parts))

    def _end(self) -> None:
        for process in self._processes:
            process.pipe.close()
            process.process.kill()
        for process in self._processes:
            process.process.join()
        self._processes.clear()


def _cause(exitcode: int | None) -> str:
    """Why a process ended, as a phrase."""
    if exitcode == _NO_MEMORY:
        return "out of memory"
    if exitcode is not None and exitcode < 0:
        return f"its worker was ended by {_signal_name(-exitcode)}"
    return f"its worker ended with exit code {exitcode}"


def _signal_name(number: int) -> str:
    return next((known.name for known in signal.Signals if known == number), f"signal {number}")


def _module(setup: Callable[..., Any]) -> str:
    """The module that the worker needs: imported once, in the fork server."""
    function = setup.func if isinstance(setup, partial) else setup
    return function.__module__
