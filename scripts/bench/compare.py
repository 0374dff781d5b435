"""Times a replay, ONNX Runtime alone and a plain Python loop in turns, and prints what each took.

    python compare.py --classifyd PROGRAM --manifest models/NAME.toml [--threads N] [--repeat N] VIDEO

Run by scripts/bench-replay.sh. Each round measures all three, so that a busy machine is as hard on
one as on the others; medians over the rounds count. The answers are compared too: near ties fall
either way with the last bit of a colour, so agreement is shown for all frames and for those that
classifyd is sure of.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy
import onnxruntime

LOOP = Path(__file__).with_name("opencv_loop.py")

# From this confidence on, classifyd is taken to be sure.
SURE = 0.2


class BenchmarkError(Exception):
    """A program did not do its part."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--classifyd", required=True)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("video")
    arguments = parser.parse_args()
    contest = Contest(
        arguments.classifyd, arguments.manifest, arguments.threads, arguments.video
    )
    try:
        agreement = contest.agreement()
        times = contest.times(arguments.repeat)
    except BenchmarkError as error:
        print(f"\nbench-replay failed: {error}", file=sys.stderr)
        return 1
    print_report(contest, times, agreement)
    return 0


@dataclass
class Times:
    """Seconds of each round, and the frames that each way worked through."""

    frames: int = 0
    # Processor cores that other programs kept busy meanwhile, on average.
    others: float = 0.0
    onnxruntime: list = field(default_factory=list)
    replay: list = field(default_factory=list)
    python: list = field(default_factory=list)


@dataclass(frozen=True)
class Agreement:
    """Shares of frames, 0 to 1."""

    all: float
    sure: float
    sure_frames: int
    among_five: float


@dataclass(frozen=True)
class Contest:
    """Two programs, one model, one video, the same threads."""

    classifyd: str
    manifest: Path
    threads: int
    video: str

    @property
    def model(self) -> str:
        return self.manifest.stem

    def times(self, repeat: int) -> Times:
        times = Times()
        began = Usage.now()
        for number in range(1, repeat + 1):
            progress(f"round {number} of {repeat}")
            rust = self._classifyd("bench", "--repeat", "1", self.video)
            rust = json.loads(rust.stdout)
            python = self._python(subprocess.DEVNULL)
            if rust["frames"] != python["frames"]:
                raise BenchmarkError(
                    f"classifyd saw {rust['frames']} frames and OpenCV {python['frames']}"
                )
            times.frames = rust["frames"]
            times.onnxruntime.append(rust["onnxruntime_s"])
            times.replay.append(rust["replay_s"])
            times.python.append(python["seconds"])
        progress("")
        times.others = Usage.now().others_since(began)
        return times

    def agreement(self) -> Agreement:
        progress("comparing answers")
        ours = records(self._classifyd("replay", "--budget", "1h", self.video).stdout)
        records_file = Path(self.video).with_suffix(".python.jsonl")
        with records_file.open("w", encoding="utf-8") as file:
            self._python(file)
        theirs = records(records_file.read_text(encoding="utf-8"))
        if len(ours) != len(theirs):
            raise BenchmarkError(f"classifyd gave {len(ours)} answers, OpenCV {len(theirs)}")
        pairs = list(zip(ours, theirs))
        same = [mine[0]["class"] == other[0]["class"] for mine, other in pairs]
        sure = [one for one, (mine, _) in zip(same, pairs) if mine[0]["confidence"] >= SURE]
        among = [other[0]["class"] in [one["class"] for one in mine] for mine, other in pairs]
        return Agreement(share(same), share(sure), len(sure), share(among))

    def _classifyd(self, command: str, *arguments: str) -> subprocess.CompletedProcess:
        chosen = ("--model", self.model, "--threads", str(self.threads))
        command_line = [self.classifyd, "--quiet", command, *chosen, *arguments]
        return run(command_line, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def _python(self, output) -> dict:
        options = ("--manifest", str(self.manifest), "--threads", str(self.threads))
        command_line = [sys.executable, str(LOOP), *options, self.video]
        done = run(command_line, stdout=output, stderr=subprocess.PIPE)
        return json.loads(done.stderr.splitlines()[-1])


@dataclass(frozen=True)
class Usage:
    """Seconds: of the clock, of all processor cores, and of this program's children on them."""

    clock: float
    machine: float
    children: float

    @classmethod
    def now(cls) -> "Usage":
        with open("/proc/stat", encoding="ascii") as lines:
            ticks = [int(number) for number in lines.readline().split()[1:9]]
        idle_and_waiting = ticks[3] + ticks[4]
        machine = (sum(ticks) - idle_and_waiting) / os.sysconf("SC_CLK_TCK")
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return cls(time.monotonic(), machine, children.ru_utime + children.ru_stime)

    def others_since(self, began: "Usage") -> float:
        """Cores that other programs kept busy, on average."""
        others = (self.machine - began.machine) - (self.children - began.children)
        return max(0.0, others / (self.clock - began.clock))


def run(command_line: list, **streams) -> subprocess.CompletedProcess:
    done = subprocess.run(command_line, text=True, **streams)
    if done.returncode != 0:
        command = " ".join(command_line)
        raise BenchmarkError(f"{command} ended with {done.returncode}:\n{done.stderr}")
    return done


def records(lines: str) -> list:
    """The labels of each frame."""
    labels = [json.loads(line).get("labels") for line in lines.splitlines()]
    if not all(labels):
        raise BenchmarkError("not every frame has labels")
    return labels


def share(truths: list) -> float:
    return sum(truths) / len(truths) if truths else float("nan")


def progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def print_report(contest: Contest, times: Times, agreement: Agreement) -> None:
    rounds = len(times.replay)
    print(f"{contest.model}, {contest.threads} thread(s) per inference, {times.frames} frames of")
    print(f"{contest.video}, medians of {rounds} rounds (and their range)\n")
    print(f"{'':36}{'seconds':>9}  {'range':>13}  {'ms/frame':>8}")
    for name, seconds in (
        ("ONNX Runtime alone", times.onnxruntime),
        ("classifyd replay", times.replay),
        ("Python: OpenCV and onnxruntime", times.python),
    ):
        print_row(name, seconds, times.frames)
    replay = statistics.median(times.replay)
    alone, python = statistics.median(times.onnxruntime), statistics.median(times.python)
    print(f"\nreplay / ONNX Runtime alone   {replay / alone:.3f}")
    print(f"replay / Python loop          {replay / python:.3f}")
    print(
        f"\nsame first label: {agreement.all:.1%} of frames, {agreement.sure:.1%} of the"
        f" {agreement.sure_frames} that classifyd gives {SURE} or more;"
        f"\nPython's first label is among classifyd's five in {agreement.among_five:.1%}"
    )
    print(
        f"\n{processor()}, {os.cpu_count()} cores, of which other programs used {times.others:.1f};"
        f"\nPython {platform.python_version()}, OpenCV {cv2.__version__},"
        f" onnxruntime {onnxruntime.__version__}, numpy {numpy.__version__}"
    )


def print_row(name: str, seconds: list, frames: int) -> None:
    middle = statistics.median(seconds)
    spread = f"{min(seconds):.2f} to {max(seconds):.2f}"
    print(f"{name:36}{middle:9.2f}  {spread:>13}  {middle / frames * 1000:8.2f}")


def processor() -> str:
    """The processor's name; on ARM, where /proc has none, its architecture."""
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    sys.exit(main())
