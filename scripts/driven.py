"""A daemon and network cameras that are driven from outside: what soak.py does its harm to."""

import bisect
import collections
import contextlib
import fcntl
import json
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUTCOMES = "classified reused superseded skipped expired late failed abandoned".split()
SIZES = ["64x48", "96x64", "128x96"]
MARGIN, FENCE_AFTER, STALL_AFTER = 0.1, 0.5, 2.0
# Nothing takes so long that is still to be waited for.
PATIENCE = 60


def wait(condition, limit=PATIENCE):
    """The moment when the condition held, or None if it did not in so many seconds."""
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            return None
        time.sleep(0.03)
    return time.monotonic()


class Camera:
    """A network camera: tests/parts/rtsp_camera.rs."""

    def __init__(self, program):
        self.program, self.port, self.size = program, 0, SIZES[0]
        self.start()

    def start(self):
        command = [self.program, str(self.port), self.size]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().removeprefix("port "))

    def tell(self, order):
        print(order, file=self.process.stdin, flush=True)

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def stop(self):
        self.process.kill()
        self.process.wait()


class Run:
    """One run of a daemon: its records and its words, as they are read."""

    def __init__(self, process, words, missed):
        """Words and records of frames without an answer in time are written to these files."""
        self.process = process
        self.outcomes = collections.defaultdict(collections.Counter)
        self.next = collections.Counter()
        self.gaps = []
        # When the latest record of a stream was read, and its budget.
        self.latest = collections.defaultdict(float)
        self.budgets = {}
        # When answers of a model were read.
        self.answers = collections.defaultdict(list)
        # When a stream's latest step of the clock was read, and its milliseconds.
        self.steps = {}
        # Frames without an answer in time: when read, stream, outcome, the model that was late.
        self.missed = []
        self.words = []
        self.reading = threading.Event()
        self.reading.set()
        readers = [(self.read, [missed]), (self.listen, [words])]
        self.threads = [threading.Thread(target=reader, args=args, daemon=True) for reader, args in readers]
        for thread in self.threads:
            thread.start()

    def read(self, file):
        with file:
            for line in self.process.stdout:
                record, now = json.loads(line), time.monotonic()
                self.note(record, now)
                if not record["met_deadline"]:
                    print(f"{now:.2f} {line}", end="", file=file)
                self.reading.wait()

    def note(self, record, now):
        stream, outcome = record["stream"], record["outcome"]
        if record["frame"] != self.next[stream]:
            self.gaps.append(f"{stream}: frame {record['frame']} came where {self.next[stream]} was due")
        self.next[stream] = record["frame"] + 1
        self.outcomes[stream][outcome] += 1
        self.latest[stream], self.budgets[stream] = now, record["deadline_ms"]
        if outcome == "classified":
            self.answers[record["model"]].append(now)
        if "clock_step_ms" in record:
            self.steps[stream] = (now, record["clock_step_ms"])
        if not record["met_deadline"]:
            self.missed.append((now, stream, outcome, record["ran"] if outcome == "late" else None))

    def listen(self, file):
        with file:
            for line in self.process.stderr:
                self.words.append(line)
                print(line, end="", file=file, flush=True)

    def said(self, words):
        return sum(words in line for line in self.words)

    def has_frames(self, streams, since):
        return all(self.latest[stream] > since for stream in streams)

    def missed_since(self, since, streams):
        return [one for one in self.missed if one[0] >= since and one[1] in streams]

    def answer_after(self, model, since):
        answers = self.answers[model]
        place = bisect.bisect_right(answers, since)
        return answers[place] if place < len(answers) else None


class Daemon:
    """`classifyd run` in a directory of its own, with the models of the tests."""

    def __init__(self, program, directory, streams, models, budget, environment):
        self.program, self.directory, self.streams = program, directory, streams
        self.models, self.budget, self.runs = models, budget, 0
        library = pathlib.Path(os.environ.get("ORT_DYLIB_PATH", ROOT / "lib/libonnxruntime.so"))
        self.environment = {**os.environ, "ORT_DYLIB_PATH": str(library.resolve()), **environment}
        directory.mkdir(exist_ok=True)
        self.write()

    def write(self, more=""):
        """Writes its configuration, with more at the end."""
        names = ", ".join(f'"{name}"' for name in self.models)
        text = (
            f'[models]\nuse = [{names}]\n[policy]\nkind = "random"\n[late]\nmargin = "{MARGIN * 1000:g}ms"\n'
            f'fence_after = "{FENCE_AFTER * 1000:g}ms"\n[scheduler]\non_time = 0.99\n'
            f'estimates = "latencies.json"\n[status]\nsocket = "status.sock"\n'
        )
        for name, source in self.streams.items():
            text += f'[[stream]]\nname = "{name}"\nsource = "{source}"\nbudget = "{self.budget}ms"\n'
            text += "loop = true\n" if name == "clip" else f'stall_after = "{STALL_AFTER * 1000:g}ms"\n'
        self.replace("classifyd.toml", text + more)

    def replace(self, name, text):
        (self.directory / "new").write_text(text)
        (self.directory / "new").rename(self.directory / name)

    def start(self):
        self.runs += 1
        self.summary = self.directory / f"summary{self.runs}.json"
        command = [self.program, "run", "--config", self.directory / "classifyd.toml"]
        command += ["--models", ROOT / "tests/data/models", "--summary", self.summary]
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen(command, env=self.environment, text=True, **pipes)
        # One page, so that a reader that stops is felt at once.
        fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, 4096)
        names = [f"words{self.runs}.log", f"missed{self.runs}.log"]
        self.run = Run(process, *[open(self.directory / name, "w") for name in names])

    def status(self):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(str(self.directory / "status.sock"))
            return json.loads(b"".join(iter(lambda: client.recv(1 << 16), b"")))

    def is_running(self):
        with contextlib.suppress(OSError, ValueError):
            return self.status()["state"] == "running"

    def stream(self, name):
        return next(stream for stream in self.status()["streams"] if stream["stream"] == name)

    def stop(self):
        """Ends it: in how many seconds, its summary, and what is wrong with it."""
        begin, process = time.monotonic(), self.run.process
        process.send_signal(signal.SIGTERM)
        wait(lambda: process.poll() is not None)
        took, code = time.monotonic() - begin, process.poll()
        process.kill()
        for thread in self.run.threads:
            thread.join()
        if code != 0:
            return took, None, [*self.run.gaps, f"it ended with {code}"]
        summary = json.loads(self.summary.read_text())
        return took, summary, [*self.run.gaps, *self.discrepancies(summary)]

    def discrepancies(self, summary):
        for figures in summary["streams"]:
            stream = figures["stream"]
            own = {outcome: figures[outcome] for outcome in OUTCOMES}
            read = {outcome: self.run.outcomes[stream][outcome] for outcome in OUTCOMES}
            if figures["captured"] != sum(own.values()) or figures["lost"]:
                yield f"{stream}: {figures['captured']} captured, {figures['lost']} lost, and {own}"
            if read != own:
                yield f"{stream}: the summary says {own}, and read was {read}"

    def vitals(self):
        """Its resident memory in KiB, its threads and its descriptors."""
        process = pathlib.Path(f"/proc/{self.run.process.pid}")
        lines = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        return int(lines["VmRSS"].split()[0]), int(lines["Threads"]), len(os.listdir(process / "fd"))

    def threads_of(self, model):
        names = []
        for task in pathlib.Path(f"/proc/{self.run.process.pid}/task").iterdir():
            with contextlib.suppress(OSError):
                names.append((task / "comm").read_text().strip())
        # The system keeps 15 characters.
        return names.count(f"worker-{model}"[:15])
