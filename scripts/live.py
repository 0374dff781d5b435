#!/usr/bin/env python3
"""Plays labelled clips as several cameras at once, in real time, once with each way of deciding.

    scripts/live.py CLIPS LABELS [--streams 4] [--budget 100ms] [--minutes 10] [--ways WAY,...]
                    [--hog SECONDS] [--flags "..."] [--out FILE]

CLIPS is a directory; LABELS a CSV of `video,from_frame,to_frame,class` (frames and classes from 0,
the last frame included). Each stream is all labelled clips one after the other, from another one on,
as 640x360 at 30 frames a second, over and over.

A way is a policy (`adaptive`, `premodel`) or a model, which decides with classifyd's scheduler; with
`fifo:` before it, with newest-wins first-in-first-out, which looks at no deadline. For each it prints:

- right: labelled frames answered right and in time, of all labelled frames (effective accuracy);
- answered: frames answered in time, reused answers included, of all frames;
- of runs: frames that a model was started for and that were answered in time, of all those that one
  was started for; and how many frames another answer was ready for when their run was late;
- what became of the others.

With --hog, `stress-ng` keeps a core busy every other time of so many seconds; then frames captured
within ten frames of a switch are counted apart.
"""

import argparse
import bisect
import collections
import datetime
import json
import pathlib
import shlex
import signal
import subprocess
import sys
import tempfile
import time

from clips import is_right, model_time, read_segments, truth

CLASSIFYD = pathlib.Path(__file__).resolve().parent.parent / "target/release/classifyd"
SIZE = (640, 360)
RATE = 30
SETTLING = 10 / RATE


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=pathlib.Path)
    parser.add_argument("labels", type=pathlib.Path)
    parser.add_argument("--streams", type=int, default=4)
    parser.add_argument("--budget", default="100ms")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--ways", default="adaptive,fifo:adaptive", help="by commas")
    parser.add_argument("--hog", type=float, help="seconds that stress-ng is on, and then off")
    parser.add_argument("--flags", default="", help="further flags of `classifyd replay`")
    parser.add_argument("--out", type=pathlib.Path, help="write the figures here, as JSON")
    arguments = parser.parse_args()
    segments = read_segments(arguments.labels)
    with tempfile.TemporaryDirectory() as directory:
        streams = [
            Stream(arguments.clips, segments, number, arguments.minutes, pathlib.Path(directory))
            for number in range(arguments.streams)
        ]
        rows = []
        for way in arguments.ways.split(","):
            rows.append(figures(way, streams, arguments, pathlib.Path(directory) / "summary.json"))
            show(rows[-1], arguments.hog)
    if arguments.out:
        arguments.out.write_text(json.dumps(rows, indent=1) + "\n")


class Stream:
    """A long video, and what is to be seen on its frames."""

    def __init__(self, clips, segments, number, minutes, directory):
        names = sorted(segments)
        names = names[number % len(names) :] + names[: number % len(names)]
        raw = directory / "raw.i420"
        self.truth = []
        # For appending: fdsink would begin anew in any other file.
        with open(raw, "ab") as file:
            for name in names:
                begin = raw.stat().st_size
                decode(clips / name, file)
                frames = (raw.stat().st_size - begin) // (SIZE[0] * SIZE[1] * 3 // 2)
                self.truth += [truth(segments[name], frame) for frame in range(frames)]
        cycle = directory / f"cycle{number}.mp4"
        encode(raw, cycle)
        raw.unlink()
        self.path = directory / f"camera{number}.mp4"
        times = max(1, round(minutes * 60 * RATE / len(self.truth)))
        repeat(cycle, times, self.path)
        self.frames = times * len(self.truth)

    def wanted(self, frame):
        return self.truth[frame % len(self.truth)]


def decode(clip, file):
    width, height = SIZE
    form = f"video/x-raw,format=I420,width={width},height={height},pixel-aspect-ratio=1/1"
    launch(f"filesrc location={shlex.quote(str(clip))} ! decodebin ! videoconvert ! videoscale ! {form} ! fdsink", file)


def encode(raw, cycle):
    width, height = SIZE
    launch(
        f"filesrc location={raw} ! rawvideoparse format=i420 width={width} height={height} "
        f"framerate={RATE}/1 ! x264enc speed-preset=ultrafast quantizer=22 pass=quant "
        f"key-int-max=60 bframes=0 ! h264parse ! mp4mux ! filesink location={cycle}"
    )


def repeat(cycle, times, path):
    parts = pathlib.Path(tempfile.mkdtemp(dir=path.parent))
    for part in range(times):
        (parts / f"{part:06}.mp4").symlink_to(cycle)
    launch(f"splitmuxsrc location={parts}/*.mp4 ! h264parse ! mp4mux ! filesink location={path}")


def launch(pipeline, stdout=subprocess.DEVNULL):
    command = ["gst-launch-1.0", "-q", *shlex.split(pipeline)]
    done = subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{pipeline}: {done.stderr.strip()}")


def figures(way, streams, arguments, summary):
    scheduler, _, name = way.rpartition(":")
    policy = name if name in ("adaptive", "premodel", "random") else f"fixed:{name}"
    command = [CLASSIFYD, "-q", "replay", "--realtime", "--budget", arguments.budget]
    command += ["--policy", policy, "--summary", summary, *shlex.split(arguments.flags)]
    command += ["--scheduler", "newest-wins"] if scheduler == "fifo" else []
    command += [stream.path for stream in streams]
    by_name = {stream.path.name: stream for stream in streams}
    with Hog(arguments.hog) as hog:
        played = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        count = Count(by_name)
        for line in played.stdout:
            hog.turn()
            count.add(json.loads(line), hog)
    if played.wait() != 0:
        sys.exit(f"{way} ended with {played.returncode}")
    expected = sum(stream.frames for stream in streams)
    if count.frames != expected:
        sys.exit(f"{way}: {count.frames} of {expected} frames are accounted for")
    summary = json.loads(summary.read_text())
    side_work = {part: summary[part] for part in ("late_work", "study")}
    return {"way": way, **count.figures(), **side_work}


class Hog:
    """Something else that wants a core, now and then."""

    def __init__(self, seconds):
        self.seconds, self.process, self.switches = seconds, None, []

    def __enter__(self):
        self.next = time.time() + (self.seconds or 0)
        return self

    def turn(self):
        if self.seconds and time.time() >= self.next:
            self.next += self.seconds
            self.switches.append(time.time())
            if self.process:
                self.stop()
            else:
                self.process = subprocess.Popen(
                    ["stress-ng", "--quiet", "--cpu", "1"], start_new_session=True
                )

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        self.process = None

    def __exit__(self, *_):
        if self.process:
            self.stop()

    def is_settling(self, captured):
        """Whether a frame was captured about when the hog was switched."""
        place = bisect.bisect_right(self.switches, captured + SETTLING)
        return place > 0 and captured - SETTLING < self.switches[place - 1] + SETTLING


class Count:
    def __init__(self, streams):
        self.streams = streams
        self.frames = self.labelled = self.right = self.answered = 0
        self.outcomes = collections.Counter()
        self.models = collections.Counter()
        self.started = {False: 0, True: 0}
        self.in_time = {False: 0, True: 0}
        self.model_ms = 0.0

    def add(self, record, hog):
        self.frames += 1
        self.outcomes[record["outcome"]] += 1
        self.answered += record["met_deadline"]
        wanted = self.streams[record["stream"]].wanted(record["frame"])
        if wanted is not None:
            self.labelled += 1
            self.right += is_right(record, wanted)
        self.model_ms += model_time(record)
        if record["timings_ms"]["inference"] is not None:
            captured = datetime.datetime.fromisoformat(record["captured_at"]).timestamp()
            settling = hog.is_settling(captured)
            self.started[settling] += 1
            self.in_time[settling] += record["met_deadline"]
            self.models[record["model"]] += 1

    def figures(self):
        share = lambda part, whole: 100 * part / max(whole, 1)
        return {
            "frames": self.frames,
            "right": share(self.right, self.labelled),
            "answered": share(self.answered, self.frames),
            "started": self.started[False],
            "of_runs": share(self.in_time[False], self.started[False]),
            "of_runs_settling": share(self.in_time[True], self.started[True]),
            "started_settling": self.started[True],
            "model_ms_per_frame": self.model_ms / max(self.frames, 1),
            "outcomes": dict(self.outcomes),
            "models": dict(self.models.most_common()),
        }


def show(row, hog):
    print(
        f"{row['way']:32} right {row['right']:5.1f} %   answered {row['answered']:6.2f} %   "
        f"of runs {row['of_runs']:7.3f} % of {row['started']}   {row['model_ms_per_frame']:.1f} ms/frame"
    )
    if hog:
        print(f"{'':32} about switches {row['of_runs_settling']:.1f} % of {row['started_settling']}")
    print(f"{'':32} {row['outcomes']} {row['late_work']}")
    if any(row["study"].values()):
        print(f"{'':32} studies {row['study']}")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
