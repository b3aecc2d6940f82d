"""Compiled functions: Python as it stands for small work, machine code by Numba for the rest.

A *kernel* is called from Python, a *part* from kernels alone. Neither is compiled, nor Numba
imported, before it is needed. A call of a kernel that has `steps` runs interpreted while the steps
of all such calls of the process stay within `INTERPRETED_STEPS`; results are the same to the bit.
What else is called is compiled once, said so, and kept on disk: beside its source file or, where
that folder is not to be written in, in the user's cache folder (``NUMBA_CACHE_DIR`` names another).

The annotations of the parameters are the signature, so that each function is compiled once and for
no types met on the way: the names below, int, float, bool, and named tuples of such. Any leaves a
part open.

Machine code on disk is renewed when the source file of a kernel, or of a part that it calls, is
another one than when it was made.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any, TypeAlias

__all__ = [
    "INTERPRETED_STEPS",
    "Booleans",
    "Bytes",
    "Floats",
    "Floats2",
    "Floats3",
    "Int32s",
    "Int32s2",
    "Ints",
    "Ints2",
    "Ints3",
    "Kernel",
    "KernelsWantedError",
    "announcement",
    "kernel",
    "load",
    "on_compiling",
    "part",
    "trial",
]

# What annotations name: contiguous arrays of 64-bit floats and integers, and of smaller ones.
Floats: TypeAlias = Any
Floats2: TypeAlias = Any
Floats3: TypeAlias = Any
Ints: TypeAlias = Any
Ints2: TypeAlias = Any
Ints3: TypeAlias = Any
Int32s: TypeAlias = Any
Int32s2: TypeAlias = Any
Bytes: TypeAlias = Any
Booleans: TypeAlias = Any

# Steps, as estimated, that a process runs interpreted. Measured, see docs/decisions.md: some 0.1 s,
# an eighth of what it takes to import Numba and load what was compiled before.
INTERPRETED_STEPS = 1_000_000

_SCALARS = {"int": "int64", "float": "float64", "bool": "boolean"}
_ARRAYS = {
    "Floats": ("float64", 1),
    "Floats2": ("float64", 2),
    "Floats3": ("float64", 3),
    "Ints": ("int64", 1),
    "Ints2": ("int64", 2),
    "Ints3": ("int64", 3),
    "Int32s": ("int32", 1),
    "Int32s2": ("int32", 2),
    "Bytes": ("int8", 1),
    "Booleans": ("boolean", 1),
}
# Compiling takes about so long, a line of source: 69 s of a processor for the 1004 of CIFT's.
_SECONDS_A_LINE = 0.065


class KernelsWantedError(BaseException):
    """Work too large to interpret where nothing may be compiled; not for methods to catch."""


class _State:
    """What holds for the process."""

    left = INTERPRETED_STEPS
    # Called before each kernel that is compiled, with the seconds that all may still take, or
    # with None where another process does it and this one waits.
    tell: Callable[[float | None], None] | None = None
    trial = False
    ahead = 0  # lines of the kernels asked for that are still to come
    told = False
    registered = False
    locks = 0


_thread = threading.local()
_lock = threading.RLock()
_kernels: list[Kernel] = []


class Kernel:
    """A function that is interpreted or compiled, as the module says."""

    def __init__(self, function: Callable[..., Any], entry: bool, steps: Any = None) -> None:
        self.py_func = function
        self.entry = entry
        self._steps = steps
        self._compiled: Any = None
        self._ready: Any = None  # the same, once Python is to call it
        functools.update_wrapper(self, function)
        _kernels.append(self)

    def __call__(self, *args: Any) -> Any:
        """Call the function."""
        if self._ready is not None:
            return self._ready(*args)
        if getattr(_thread, "interprets", False):
            return self.py_func(*args)
        if not self.entry or self._affordable(args):
            return self.interpret(*args)
        self.load()
        return self._compiled(*args)

    def _affordable(self, args: tuple[Any, ...]) -> bool:
        """Take the steps of a call from those left; tell whether there were as many."""
        if self._steps is None:
            return False
        steps = self._steps(*args)
        if steps > _State.left:
            return False
        _State.left -= steps
        return True

    def interpret(self, *args: Any) -> Any:
        """Call the function as Python, with the arithmetic that machine code has."""
        import numpy as np

        # Division by zero gives an infinity, as in machine code: not so with Python's own floats.
        given = [np.float64(a) if type(a) is float else a for a in args]
        _thread.interprets = True
        try:
            with np.errstate(all="ignore"):
                return _plain(self.py_func(*given))
        finally:
            _thread.interprets = False

    @property
    def loaded(self) -> bool:
        """Whether calls run compiled from now on."""
        return self._ready is not None

    def load(self) -> None:
        """Load the machine code, or compile it."""
        if self._ready is None:
            if _State.trial:
                raise KernelsWantedError
            self._ready = self.dispatcher()

    def dispatcher(self) -> Any:
        """Return Numba's object for the function, compiled for its signature."""
        with _lock:
            if self._compiled is None:
                self._compiled = self._compile()
            return self._compiled

    def _compile(self) -> Any:
        import numba

        _register()
        options = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}
        found: Any = numba.njit(no_cpython_wrapper=not self.entry, **options)(self.py_func)
        signature = _signature(self.py_func)
        if signature is None or not hasattr(found, "enable_caching"):  # Numba switched off
            return found
        if not self.entry:
            found.compile(signature)
            found.disable_compile()
            return found
        # Without a folder to keep it in, each process compiles for itself.
        with contextlib.suppress(RuntimeError):
            found.enable_caching()
            # Numba looks at the kernel's own file alone.
            found._cache._cache_file._source_stamp = self._stamp()
        if _kept(found, signature):
            found.compile(signature)
        else:
            with _alone(found.stats.cache_path):
                if not _kept(found, signature):
                    _tell(self)
                found.compile(signature)
        found.disable_compile()
        return found

    def _stamp(self) -> tuple[tuple[str, int, int], ...]:
        """Return name, time and size of the source files of the kernel and of all it calls."""
        waiting, seen, files = [self], {self}, set()
        while waiting:
            code = waiting.pop()
            files.add(code.py_func.__code__.co_filename)
            called = map(code.py_func.__globals__.get, code.py_func.__code__.co_names)
            new = {k for k in called if isinstance(k, Kernel)} - seen
            waiting += new
            seen |= new
        status = [(Path(name).name, Path(name).stat()) for name in sorted(files)]
        return tuple((name, s.st_mtime_ns, s.st_size) for name, s in status)

    @property
    def lines(self) -> int:
        """Lines of source, a measure of the time that compiling takes."""
        return len({line for _, _, line in self.py_func.__code__.co_lines()})


def kernel(
    steps: Callable[..., float] | None = None,
) -> Callable[[Callable[..., Any]], Kernel]:
    """Make a function a kernel; `steps` estimates from its arguments how long it runs."""
    return lambda function: Kernel(function, True, steps)


def part(function: Callable[..., Any]) -> Kernel:
    """Make a function a part, to be called from kernels and parts."""
    return Kernel(function, False)


def load(*modules: str) -> float:
    """Load the kernels of modules, or compile them; return the seconds it took.

    Afterwards they run compiled, however small the work.
    """
    begin = perf_counter()
    for name in modules:
        importlib.import_module(name)
    waiting = [k for k in _kernels if k.entry and k.__module__ in modules and not k.loaded]
    for i, k in enumerate(waiting):
        _State.ahead = sum(other.lines for other in waiting[i:])
        k.load()
    _State.ahead = 0
    return perf_counter() - begin if waiting else 0.0


@contextlib.contextmanager
def trial() -> Iterator[None]:
    """Have `KernelsWantedError` raised where anything would be compiled or loaded."""
    _State.trial = True
    try:
        yield
    finally:
        _State.trial = False


def on_compiling(tell: Callable[[float | None], None] | None) -> None:
    """Set what is told, before each kernel is compiled, about how many seconds it takes.

    It is told None where another process compiles, for which this one waits.
    """
    _State.tell = tell


def _plain(value: Any) -> Any:
    """Return what compiled code would: scalars of Python in place of NumPy's."""
    import numpy as np

    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, tuple):
        made = [_plain(entry) for entry in value]
        return type(value)(*made) if hasattr(value, "_fields") else tuple(made)
    return value


def _tell(made: Kernel | None) -> None:
    """Say that a kernel is compiled, here or (None) elsewhere: to who listens, else on stderr."""
    ahead = None if made is None else _SECONDS_A_LINE * (_State.ahead or made.lines)
    if _State.tell is not None:
        _State.tell(ahead)
    elif not _State.told:
        sys.stderr.write(announcement(ahead) + "\n")
    _State.told = True


def announcement(seconds: float | None) -> str:
    """Return the line that says how long compiling takes, or that another process does it."""
    if seconds is None:
        return "splitopt: waiting for another process, which compiles once"
    return f"splitopt: compiling once, about {max(1, round(seconds))} s"


def _kept(found: Any, signature: Any) -> bool:
    """Tell whether the machine code is on disk."""
    try:
        key = found._cache._index_key(signature, found.targetctx.codegen())
        return key in found._cache._cache_file._load_index()
    except AttributeError:  # nowhere to keep it; or another Numba, where the lock says it too
        return False


@contextlib.contextmanager
def _alone(folder: str | None) -> Iterator[None]:
    """Keep other processes from compiling into the same folder: they wait, and load."""
    if folder is None or _State.locks:
        yield
        return
    import fcntl

    with contextlib.ExitStack() as stack:
        # File systems without locks: several processes then compile, and each replaces whole files.
        with contextlib.suppress(OSError):
            Path(folder).mkdir(parents=True, exist_ok=True)
            held = stack.enter_context((Path(folder) / "splitopt-kernels.lock").open("w"))
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                _tell(None)
                fcntl.flock(held, fcntl.LOCK_EX)
        _State.locks += 1
        try:
            yield
        finally:
            _State.locks -= 1


def _register() -> None:
    """Teach Numba that a kernel among the globals of another is the function it stands for."""
    if _State.registered:
        return
    from numba.core import types
    from numba.extending import typeof_impl

    @typeof_impl.register(Kernel)  # type: ignore[untyped-decorator]
    def _typeof(value: Kernel, context: object) -> Any:
        return types.Dispatcher(value.dispatcher())

    _State.registered = True


def _signature(function: Callable[..., Any]) -> tuple[Any, ...] | None:
    """Return Numba's types of the parameters as annotated; None where one is left open."""
    scope = function.__globals__
    of = function.__annotations__
    found = [_type(name, scope) for parameter, name in of.items() if parameter != "return"]
    return None if None in found else tuple(found)


def _type(name: str, scope: dict[str, Any]) -> Any:
    """Return Numba's type of an annotation."""
    from numba import types

    if name in _SCALARS:
        return getattr(types, _SCALARS[name])
    if name in _ARRAYS:
        dtype, axes = _ARRAYS[name]
        return types.Array(getattr(types, dtype), axes, "C")
    if name == "Any":
        return None
    of = scope[name]
    inside = vars(sys.modules[of.__module__])
    # NamedTuple makes a ForwardRef of an annotation that is a string.
    fields = [_type(a.__forward_arg__, inside) for a in of.__annotations__.values()]
    return types.BaseTuple.from_types(tuple(fields), of)
