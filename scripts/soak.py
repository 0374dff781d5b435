#!/usr/bin/env python3
"""Does to `classifyd run`, in some minutes, what goes wrong in 72 hours, and checks that it copes.

    scripts/soak.py [--minutes 30] [--seed 1] [--keep DIR] [--classifyd FILE] [--camera FILE]

What is compressed is the time between faults: as many of each kind as 72 hours bring, by the rates in
KINDS, are done within the minutes, at times drawn with the seed (of less than 30 minutes each stands
for 2.4 hours). Frames come at their real rate.

Two daemons take the same streams: a clip over and over, a test pattern, and two network cameras. `steady`
runs from the first to the last minute, so that its memory can be watched; `restarted` is there to be
restarted. The faults:

    camera killed       its server is killed, and started again on the same port after a while
    camera disconnects  it closes all connections
    camera frozen       its server stands still for longer than `stall_after`, and goes on
    new resolution      its pictures change their size
    run fails, run too long, worker stuck
                        A camera shows red for a tenth of a second, on which a model does one of these;
                        which one is drawn by lot, by the policy. (A worker that panics cannot be had
                        from outside; the test a_worker_that_breaks_down_frees_its_place_and_settles_its_frames
                        has one.)
    slow disk           nobody reads the records for some seconds, and the pipe holds one page
    clock step          the time of day steps by an hour, forth or back
    reload              SIGHUP with nothing new, another budget, another model, or a broken file
    restart             SIGTERM, and a new start

Faults overlap, but a camera has one at a time, so do the models, and none comes while nobody reads. A
fault counts as noticed when the status, a record or the log tells of it, and as recovered when frames
are back (the model answers again, the queue of records is empty, no deadline was missed about the step,
the new configuration is in force), in the time that KINDS says. A run's frames must add up: captured =
the sum of outcomes = records read, numbered without a gap. Memory, threads and descriptors of `steady`
must not grow: the slope of their medians over time, after the first quarter and without the seconds in
which a worker is stuck, must not be above 0 with 95 % confidence.

Runs are started that will be in time with the probability 0.99, not 0.999: then a model of which two runs
in 4096 were too long would not run until they are forgotten, and here they are no hours apart.
"""

import argparse
import collections
import contextlib
import dataclasses
import json
import mmap
import pathlib
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from driven import FENCE_AFTER, OUTCOMES, ROOT, SIZES, STALL_AFTER, Camera, Daemon, wait

HOURS = 72
SECONDS_PER_HOUR = 25
CAMERAS = ["door", "yard"]
LOCAL = ["clip", "pattern"]
MODELS = ["colour", "fails_on_red", "loops_on_red", "stuck_on_red"]
BUDGETS = [200, 240]
# The part of a run that is no part of the slopes; their points; and Student's t for so many, 97.5 %.
WARM_UP = 0.25
BLOCKS, T = 15, 2.16


@dataclasses.dataclass
class Kind:
    """How often it comes in an hour; what has one at a time; within how many seconds it is to be noticed,
    and to be over."""

    per_hour: float
    takes: str
    noticed: float
    over: float


KINDS = {
    "camera killed": Kind(1 / 3, "camera", 2, 2),
    "camera disconnects": Kind(1 / 3, "camera", 2, 2),
    "camera frozen": Kind(1 / 3, "camera", STALL_AFTER + 1, 4),
    "new resolution": Kind(1 / 3, "camera", 2, 2),
    "red": Kind(1, "camera models", 0, 0),
    "run fails": Kind(0, "", 1, 1),
    "run too long": Kind(0, "", 1, 1),
    "worker stuck": Kind(0, "", FENCE_AFTER + 1, FENCE_AFTER + 3),
    "slow disk": Kind(1 / 3, "door yard models", 2, 1),
    "clock step": Kind(1 / 3, "models", 2, 2),
    "reload": Kind(2 / 3, "models", 5, 5),
    "restart": Kind(1 / 3, "restarted", 10, 5),
}


@dataclasses.dataclass
class Fault:
    kind: str
    at: float
    camera: str
    number: int
    chance: float
    noticed: float | None = None
    over: float | None = None
    note: str = ""

    def takes(self):
        return {self.camera if one == "camera" else one for one in KINDS[self.kind].takes.split()}

    def was_noticed(self, since, at):
        self.noticed = at and at - since

    def was_over(self, since, at):
        self.over = at and at - since


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=pathlib.Path, help="a directory for logs, faults and samples")
    parser.add_argument("--classifyd", type=pathlib.Path, default=ROOT / "target/release/classifyd")
    parser.add_argument("--camera", type=pathlib.Path, help="by default examples/rtsp_camera beside classifyd")
    arguments = parser.parse_args()
    camera = arguments.camera or arguments.classifyd.parent / "examples/rtsp_camera"
    for needed in [arguments.classifyd, camera, ROOT / "samples/bikes.mp4"]:
        if not needed.exists():
            sys.exit(f"{needed} is missing: `make soak` has it made")
    with contextlib.ExitStack() as stack:
        directory = arguments.keep or pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        directory.mkdir(parents=True, exist_ok=True)
        failed = Soak(arguments, camera, directory.resolve(), stack).run()
    print("\n" + ("\n".join(f"FAILED: {check}" for check in failed) or "all checks passed"))
    sys.exit(1 if failed else 0)


def plan(hours, seconds, seed):
    """The faults of so many hours, in the order of their times in these seconds."""
    draw, faults = random.Random(seed), []
    for kind, terms in KINDS.items():
        count = max(1, round(terms.per_hour * hours)) if terms.per_hour else 0
        for number in range(count):
            at = draw.uniform(10, max(20, seconds - 25))
            faults.append(Fault(kind, at, draw.choice(CAMERAS), number, draw.random()))
    return sorted(faults, key=lambda fault: fault.at)


class Clock:
    """A time of day that steps: clock.c."""

    def __init__(self, directory):
        library, file = directory / "clock.so", directory / "clock"
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, ROOT / "scripts/clock.c"], check=True)
        file.write_bytes(bytes(8))
        with open(file, "r+b") as opened:
            self.offset = memoryview(mmap.mmap(opened.fileno(), 8)).cast("q")
        self.environment = {"LD_PRELOAD": str(library), "CLOCK_OFFSET": str(file)}

    def step(self, seconds):
        self.offset[0] += seconds


class Soak:
    def __init__(self, arguments, camera, directory, stack):
        self.directory, self.seconds = directory, arguments.minutes * 60
        hours = min(HOURS, self.seconds / SECONDS_PER_HOUR)
        self.faults = plan(hours, self.seconds, arguments.seed)
        print(f"{len(self.faults)} faults, of {hours:g} hours, in {arguments.minutes:g} minutes; seed {arguments.seed}", flush=True)
        self.log = stack.enter_context(open(directory / "faults.log", "w"))
        # What was done, what has a fault now, and how steady was meanwhile.
        self.done, self.busy, self.samples = [], set(), []
        self.problems, self.totals = [], collections.defaultdict(collections.Counter)
        self.clock = Clock(directory)
        self.cameras = {name: Camera(camera) for name in CAMERAS}
        streams = {
            "clip": ROOT / "samples/bikes.mp4",
            "pattern": "test://ball?width=160&height=120&fps=15",
            **{name: f"rtsp://127.0.0.1:{camera.port}/live" for name, camera in self.cameras.items()},
        }
        of = lambda name, models, more: Daemon(
            arguments.classifyd.resolve(), directory / name, streams, models, BUDGETS[0], more
        )
        self.steady, self.restarted = of("steady", MODELS, self.clock.environment), of("restarted", ["colour"], {})
        stack.callback(self.end_all)

    def end_all(self):
        started = [daemon.run.process for daemon in [self.steady, self.restarted] if daemon.runs]
        for process in [*started, *[camera.process for camera in self.cameras.values()]]:
            process.kill()
            process.wait()

    def run(self):
        self.begin = time.monotonic()
        for daemon in [self.steady, self.restarted]:
            daemon.start()
            if not wait(lambda: daemon.run.has_frames(CAMERAS + LOCAL, 0)):
                sys.exit(f"{daemon.directory.name} does not start:\n{''.join(daemon.run.words)}")
        self.do_all()
        summary = self.stop(self.steady)[1]
        self.stop(self.restarted)
        failed = [*self.report_faults(), *self.problems]
        self.report_frames(summary)
        return [*failed, *self.report_vitals()]

    def do_all(self):
        """Does each fault at its time, or as soon as there is room for it, and samples steady."""
        waiting, next_sample = list(self.faults), 0
        while waiting or self.busy or time.monotonic() < self.begin + self.seconds:
            now = time.monotonic() - self.begin
            self.begin_those_due(waiting, now)
            if now >= next_sample:
                next_sample = now + 1
                lost = sum(KINDS[fault.kind].takes == "camera" for fault in self.done)
                self.samples.append((now, *self.steady.vitals(), lost, self.has_stuck_worker()))
            if self.steady.run.process.poll() is not None:
                self.problems.append("steady has ended of itself")
                return
            time.sleep(0.05)

    def begin_those_due(self, waiting, now):
        taken = set(self.busy)
        for fault in [fault for fault in waiting if fault.at <= now]:
            takes = fault.takes()
            has_room = not takes & taken
            # More than three workers that are stuck are too many for classifyd.
            if fault.kind == "red" and self.has_stuck_worker():
                has_room = False
            # What it waits for is taken by no later one before it.
            taken |= takes
            if has_room:
                waiting.remove(fault)
                self.busy |= takes
                threading.Thread(target=self.do, args=[fault, takes], daemon=True).start()

    def has_stuck_worker(self):
        return self.steady.threads_of("stuck_on_red") > 1

    def do(self, fault, takes):
        begin, planned = time.monotonic(), fault.kind
        try:
            getattr(self, planned.replace(" ", "_"))(fault)
        except Exception as error:
            self.problems.append(f"{planned} at {begin - self.begin:.0f} s: {error!r}")
        self.done.append(fault)
        text = lambda took: "never" if took is None else f"after {took:.2f} s"
        line = f"{begin - self.begin:7.1f} to {time.monotonic() - self.begin:7.1f}  {fault.kind:18} {fault.camera}"
        print(f"{line}  noticed {text(fault.noticed)}, over {text(fault.over)}; {fault.note}", file=self.log, flush=True)
        self.busy -= takes

    def stop(self, daemon):
        took, summary, wrong = daemon.stop()
        name = daemon.directory.name
        self.problems += [f"{name}, run {daemon.runs}: {one}" for one in wrong]
        for figures in summary["streams"] if summary else []:
            read = daemon.run.outcomes[figures["stream"]]
            counts = {key: figures[key] for key in ["captured", *OUTCOMES]}
            self.totals[name, figures["stream"]].update({**counts, "read": read.total()})
        return took, summary

    # What is done; each says when it was noticed, and when it was over.

    def lose(self, fault, harm, mend=None, seconds=0):
        """Harms a camera, mends it so many seconds later, and waits for its frames."""
        camera, run, of = self.cameras[fault.camera], self.steady.run, lambda: self.steady.stream(fault.camera)
        wait(lambda: of()["state"] == "live")
        before = of()
        begin = time.monotonic()
        harm(camera)
        is_lost = lambda stream: stream["state"] != "live" or stream["losses"] != before["losses"]
        fault.was_noticed(begin, wait(lambda: is_lost(of())))
        if mend:
            time.sleep(max(0, begin + seconds - time.monotonic()))
            mend(camera)
            begin = time.monotonic()
        is_back = lambda stream: stream["state"] == "live" and stream["recoveries"] > before["recoveries"]
        fault.was_over(begin, wait(lambda: is_back(of()) and run.has_frames([fault.camera], begin)))
        losses = {kind: count - before["losses"][kind] for kind, count in of()["losses"].items()}
        fault.note = ", ".join(f"{count} {kind}" for kind, count in losses.items() if count)
        if not fault.note:
            fault.noticed = None

    def camera_killed(self, fault):
        self.lose(fault, Camera.stop, Camera.start, 1.5 + 5 * fault.chance)

    def camera_disconnects(self, fault):
        self.lose(fault, lambda camera: camera.tell("disconnect"))

    def camera_frozen(self, fault):
        self.lose(fault, Camera.freeze, Camera.thaw, STALL_AFTER + 1.2 + 4 * fault.chance)

    def new_resolution(self, fault):
        camera = self.cameras[fault.camera]
        others = [size for size in SIZES if size != camera.size]
        camera.size = others[int(fault.chance * len(others))]
        self.lose(fault, lambda camera: camera.tell(f"size {camera.size}"))

    def red(self, fault):
        camera, run, of = self.cameras[fault.camera], self.steady.run, self.steady.status
        wait(lambda: self.steady.stream(fault.camera)["state"] == "live")
        before, begin = of(), time.monotonic()
        hits = lambda: [miss for miss in run.missed_since(begin, [fault.camera]) if miss[2] in ("late", "failed")]
        # The lot may fall on the model that does not mind.
        while not hits() and time.monotonic() < begin + 20:
            camera.tell("colour ffff0000")
            time.sleep(0.1)
            camera.tell("colour ff00ff00")
            # Until the last red frame has its outcome.
            time.sleep(0.7)
        late = lambda key: of()["late_work"][key] > before["late_work"][key]
        failed = lambda status: sum(stream["frames"]["failed"] for stream in status["streams"])
        ways = [
            ("worker stuck", "stuck_on_red", lambda: late("fenced")),
            ("run too long", "loops_on_red", lambda: late("terminated")),
            ("run fails", None, lambda: failed(of()) > failed(before)),
        ]
        # Red frames may have gone to several models: the worst of them counts.
        for fault.kind, model, is_counted in ways:
            since = [at for at, _, _, ran in hits() if ran == model]
            if since:
                fault.was_noticed(since[0], wait(is_counted))
                answer = lambda: run.answer_after(model or "fails_on_red", since[0])
                fault.was_over(since[0], wait(answer) and answer())
                break
        if fault.kind == "worker stuck":
            wait(lambda: late("rebuilt"))
        fault.note = ", ".join(f"{outcome} {ran or ''}" for _, _, outcome, ran in hits())

    def slow_disk(self, fault):
        run, begin = self.steady.run, time.monotonic()
        waiting = lambda: self.steady.status()["queues"]["output"]
        run.reading.clear()
        fault.was_noticed(begin, wait(lambda: waiting() > 20))
        time.sleep(2 + 6 * fault.chance)
        fault.note = f"{waiting()} records waited"
        begin = time.monotonic()
        run.reading.set()
        fault.was_over(begin, wait(lambda: waiting() < 5 and run.has_frames(LOCAL, begin)))

    def clock_step(self, fault):
        run, seconds = self.steady.run, 3600 if fault.chance < 0.5 else -3600
        # For comparison.
        before = time.monotonic()
        time.sleep(2)
        begin = time.monotonic()
        self.clock.step(seconds)
        steps = lambda: [run.steps.get(stream, (0, 0)) for stream in LOCAL]
        is_told = lambda: all(at > begin and abs(step - seconds * 1000) < 100 for at, step in steps())
        fault.was_noticed(begin, wait(is_told))
        time.sleep(2)
        missed = run.missed_since(before, LOCAL)
        after = [miss for miss in missed if miss[0] >= begin]
        fault.note = f"{seconds:+} s, {len(missed) - len(after)} missed before, {len(after)} after"
        fault.over = 0.0 if len(after) <= len(missed) - len(after) else None

    def reload(self, fault):
        steady, run, way = self.steady, self.steady.run, ["same", "budget", "model", "broken"][fault.number % 4]
        if way == "budget":
            steady.budget = BUDGETS[1 - BUDGETS.index(steady.budget)]
        if way == "model":
            steady.models = MODELS if "red" in steady.models else [*MODELS, "red"]
        steady.write("priority = 300\n" if way == "broken" else "")
        words = "the reload is refused" if way == "broken" else "info: reloaded"
        said, begin = run.said(words), time.monotonic()
        run.process.send_signal(signal.SIGHUP)
        fault.was_noticed(begin, wait(lambda: run.said(words) > said))
        steady.write()
        models = lambda: {model["model"] for model in steady.status()["models"]} == set(steady.models)
        budgets = lambda: all(run.budgets[stream] == steady.budget for stream in LOCAL)
        since = time.monotonic()
        fault.was_over(begin, wait(lambda: run.has_frames(LOCAL, since) and budgets() and models()))
        fault.note = way

    def restart(self, fault):
        kept = self.restarted.directory / "latencies.json"
        kept.unlink(missing_ok=True)
        fault.noticed = self.stop(self.restarted)[0]
        fault.note = "state kept" if json.loads(kept.read_text())["settings"] else "no state"
        begin = time.monotonic()
        self.restarted.start()
        run = self.restarted.run
        fault.was_over(begin, wait(lambda: self.restarted.is_running() and run.has_frames(LOCAL, begin)))
        if run.said("latencies.json"):
            self.problems.append(f"restart: what it kept is not used: {''.join(run.words)}")

    # What came of it.

    def report_faults(self):
        """Prints it; gives the checks that failed."""
        print("\n| fault | injected | noticed | in time (s) | over in time (s) | median, s | longest, s |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        for kind, terms in KINDS.items():
            faults = [fault for fault in self.done if fault.kind == kind]
            noticed = [fault.noticed for fault in faults if fault.noticed is not None]
            over = [fault.over for fault in faults if fault.over is not None]
            in_time = [sum(took <= terms.noticed for took in noticed), sum(took <= terms.over for took in over)]
            middle, longest = (f"{statistics.median(over):.2f}", f"{max(over):.2f}") if over else ("-", "-")
            if faults:
                print(
                    f"| {kind} | {len(faults)} | {len(noticed)} | {in_time[0]} ({terms.noticed:g}) "
                    f"| {in_time[1]} ({terms.over:g}) | {middle} | {longest} |"
                )
            if in_time[0] < len(faults):
                yield f"{kind}: {in_time[0]} of {len(faults)} noticed within {terms.noticed:g} s"
            if in_time[1] < len(faults):
                yield f"{kind}: {in_time[1]} of {len(faults)} over within {terms.over:g} s"

    def report_frames(self, summary):
        columns = ["captured", "read", *OUTCOMES]
        print(f"\nFrames, of 1 run of steady and {self.restarted.runs} of restarted:\n")
        print("| daemon | stream |", " | ".join(columns), "|\n" + "| --- " * (2 + len(columns)) + "|")
        for names, figures in sorted(self.totals.items()):
            print("|", " | ".join([*names, *[str(figures[column]) for column in columns]]), "|")
        if summary:
            print(f"\nlate work: {summary['late_work']}")
            for losses in summary["losses"]:
                print("losses:", losses)

    def report_vitals(self):
        """Prints it; gives the checks that failed."""
        with open(self.directory / "vitals.csv", "w") as file:
            print("seconds,resident_kib,threads,descriptors,camera_faults,has_stuck_worker", file=file)
            for sample in self.samples:
                print(*[f"{value:.6g}" for value in sample], sep=",", file=file)
        print("\n| steady from, s | resident, MiB | threads | descriptors | faults of cameras until then |")
        print("| --- | --- | --- | --- | --- |")
        # What is stuck has its memory and its thread until it ends, which nothing can make it do.
        free = [sample for sample in self.samples if not sample[5]]
        for block in blocks(free, 10):
            _, resident, threads, descriptors, *_ = map(statistics.median, zip(*block))
            print(f"| {block[0][0]:.0f} | {resident / 1024:.1f} | {threads:g} | {descriptors:g} | {block[0][4]} |")
        warm = [sample for sample in free if sample[0] > WARM_UP * free[-1][0]]
        print()
        for column, name in [(1, "resident KiB"), (2, "threads"), (3, "descriptors")]:
            slope, half = slope_of([(sample[0] / 3600, sample[column]) for sample in warm])
            text = f"{name}: {slope:+.1f} +- {half:.1f} an hour (95 %), from {warm[0][0]:.0f} s on"
            print(text)
            if slope > half:
                yield f"not flat: {text}"


def blocks(samples, count):
    size = len(samples) / count
    return [samples[round(place * size) : round((place + 1) * size)] for place in range(count)]


def slope_of(points):
    """The slope of the medians of blocks, and half its 95 % interval. What blocks have in common with
    their neighbours, by their autocorrelation, makes it wider."""
    times, values = zip(*[map(statistics.median, zip(*block)) for block in blocks(points, BLOCKS)])
    slope, start = statistics.linear_regression(times, values)
    left = [value - start - slope * at for at, value in zip(times, values)]
    squares, spread = sum(one * one for one in left), statistics.pvariance(times) * BLOCKS
    alike = sum(one * other for one, other in zip(left, left[1:])) / squares if squares else 0
    alike = min(max(alike, 0), 0.9)
    return slope, T * (squares / (BLOCKS - 2) / spread * (1 + alike) / (1 - alike)) ** 0.5


if __name__ == "__main__":
    main()
