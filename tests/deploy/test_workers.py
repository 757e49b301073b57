"""Processes that answer: late, dead, failed, in pieces, and left by who asked."""

import asyncio
import contextlib
import sys
import time

import pytest

from swiftrnn.deploy import workers

CODE = """
import itertools, sys, time
from swiftrnn.deploy import workers

def act(task):
    if task == "die":
        import os; os._exit(3)
    if task == "fail":
        raise KeyError(task)
    print("noise")
    if isinstance(task, list):
        return pieces(*task)
    time.sleep(task)
    return b"1"

def pieces(count, pause, end=""):
    for number in range(count):
        time.sleep(pause)
        yield b"%d" % number
    if end:
        act(end)

workers.work(lambda: act, int(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def staff():
    """One process for small jobs, one for others; two of each may wait."""
    made = workers.Workers([sys.executable, "-c", CODE], 1, 2, 1)
    made.start()
    yield made
    made.stop()
    assert all(process.poll() is not None for process in made.staff.values())


async def into(found, pieces):
    async for piece in pieces:
        found.append(piece)


def test_what_takes_too_long_is_ended_and_the_next_is_answered(staff):
    first = {process.pid for process in staff.staff.values()}

    async def all_of_it():
        assert await staff.answer(b"0", 5, 60) == b"1"
        with pytest.raises(workers.Failed):
            await staff.answer(b'"fail"', 5, 60)
        with pytest.raises(workers.Failed):
            await staff.answer(b'"die"', 5, 60)
        assert await staff.answer(b"0", 5, 60) == b"1"  # by the next process
        staff.staff[1].kill()  # as a system without memory does
        staff.staff[1].wait()
        assert await staff.answer(b"0", 5, 60) == b"1"
        late = asyncio.create_task(staff.answer(b"99", 5, 0.5))
        await asyncio.sleep(0.1)
        waiting = [asyncio.create_task(staff.answer(b"0", 5, 60)) for _ in range(2)]
        await asyncio.sleep(0.1)
        with pytest.raises(workers.Busy):
            await staff.answer(b"0", 5, 60)
        assert await staff.answer(b"0", 1, 60) == b"1"  # a small one has a process of its own
        with pytest.raises(TimeoutError):
            await late
        assert [await each for each in waiting] == [b"1"] * 2

    asyncio.run(all_of_it())
    assert len(first - {process.pid for process in staff.staff.values()}) == 1


def test_pieces_come_one_by_one_as_they_are_made(staff):
    async def all_of_it():
        began, times, found = time.monotonic(), [], []
        async for piece in staff.pieces(b"[5, 0.1]", 5, 60):
            found.append(piece)
            times.append(time.monotonic() - began)
        assert found == [b"0", b"1", b"2", b"3", b"4"]
        assert times[-1] - times[0] > 0.3
        assert [piece async for piece in staff.pieces(b"[0, 0]", 5, 60)] == []
        assert [piece async for piece in staff.pieces(b"0", 5, 60)] == [b"1"]
        assert await staff.answer(b"[3, 0]", 5, 60) == b"2"

    asyncio.run(all_of_it())


def test_who_leaves_frees_the_process_which_lives_on(staff):
    before = staff.staff[1].pid

    async def all_of_it():
        async with contextlib.aclosing(staff.pieces(b"[600, 0.05]", 5, 60)) as pieces:
            assert await anext(pieces) == b"0"
        began = time.monotonic()
        assert await staff.answer(b"0", 5, 60) == b"1"
        assert time.monotonic() - began < 5  # of 30 that the pieces would take

        reader = asyncio.create_task(anext(staff.pieces(b"[600, 0.5]", 5, 60)))
        await asyncio.sleep(0.1)
        reader.cancel()  # before there is anything
        with pytest.raises(asyncio.CancelledError):
            await reader
        assert await staff.answer(b"0", 5, 60) == b"1"

    asyncio.run(all_of_it())
    assert staff.staff[1].pid == before


def test_pieces_end_when_their_time_is_over_and_the_process_lives_on(staff):
    before = staff.staff[1].pid

    async def all_of_it():
        found = []
        with pytest.raises(TimeoutError):
            await into(found, staff.pieces(b"[600, 0.05]", 5, 0.5))
        assert 0 < len(found) < 12
        assert await staff.answer(b"0", 5, 60) == b"1"
        assert staff.staff[1].pid == before
        with pytest.raises(TimeoutError):  # a piece that never comes
            await into([], staff.pieces(b"[600, 99]", 5, 0.5))
        assert await staff.answer(b"0", 5, 60) == b"1"
        assert staff.staff[1].pid != before

    asyncio.run(all_of_it())


def test_an_answer_that_was_cut_short_is_never_taken_for_whole(staff):
    """Also by who reads so slowly that the last line is there already."""
    before = staff.staff[1].pid

    async def all_of_it():
        async with contextlib.aclosing(staff.pieces(b"[600, 0.05]", 5, 0.5)) as pieces:
            assert await anext(pieces) == b"0"
            await asyncio.sleep(1.5)
            with pytest.raises(TimeoutError):
                await into([], pieces)
        assert await staff.answer(b"0", 5, 60) == b"1"

    asyncio.run(all_of_it())
    assert staff.staff[1].pid == before  # it was told, not killed


@pytest.mark.parametrize("end", ["fail", "die"])
def test_what_fails_between_pieces_is_told_after_those_that_came(staff, end):
    async def all_of_it():
        found = []
        with pytest.raises(workers.Failed):
            await into(found, staff.pieces(b'[3, 0, "%s"]' % end.encode(), 5, 60))
        assert found == [b"0", b"1", b"2"]
        assert await staff.answer(b"0", 5, 60) == b"1"

    asyncio.run(all_of_it())


def test_pieces_for_many_never_mix(staff):
    async def one(number):
        if number % 2:
            return await staff.answer(b"[%d, 0]" % number, number, 60) == b"%d" % (number - 1)
        found = [piece async for piece in staff.pieces(b"[%d, 0.001]" % number, number, 60)]
        return found == [b"%d" % each for each in range(number)]

    async def all_of_it():
        staff.most = 100
        assert all(await asyncio.gather(*(one(number) for number in range(2, 60))))

    asyncio.run(all_of_it())


def test_a_process_that_cannot_begin_is_told():
    none = workers.Workers([sys.executable, "-c", "raise SystemExit(1)"], 1, 2, 1)
    with pytest.raises(OSError, match="ended before it was ready"):
        none.start()


@pytest.mark.parametrize(
    ("costs", "order"),
    [
        ((5.0, 4.999), [0, 1]),  # about as large: who came first
        ((100_000.0, 5.0), [1, 0]),  # small ones do not wait for a large one
    ],
)
def test_jobs_of_about_one_size_keep_their_order(staff, costs, order):
    done = []

    async def one(number, cost):
        await staff.answer(b"0", cost, 60)
        done.append(number)

    async def all_of_it():
        busy = asyncio.create_task(staff.answer(b"0.3", 5, 60))
        await asyncio.sleep(0.1)
        waiting = []
        for number, cost in enumerate(costs):
            waiting.append(asyncio.create_task(one(number, cost)))
            await asyncio.sleep(0.01)
        await asyncio.gather(busy, *waiting)

    asyncio.run(all_of_it())
    assert done == order


def test_nothing_is_overtaken_for_ever():
    """Cheap jobs that keep coming, and a dear one before them: its turn is when it was promised."""
    staff = workers.Workers([], 1, 1000, 1)
    now = 100.0

    def job(cost):
        rank = now + workers.OVERTAKEN * cost
        return workers._Job(rank, next(staff.numbers), cost, b"", 1e9, lambda *_: None)

    dear = job(500.0)
    staff._take(dear)
    done = []
    while dear not in done:
        now += 0.01
        staff._take(job(5.0))
        done.append(staff._next(float("inf")))
    assert 45 < len(done) < 55  # half a second
    staff._take(job(500.0))
    staff._take(job(1.0))
    assert staff._next(1).cost == 1  # whose process is for small jobs takes no other
