"""The test of `make test-v4l2`, in its virtual machine: a camera is out when `classifyd run` begins, is
plugged in, pulled out, and plugged in again, several times.

    scripts/v4l2/guest.py RESULTS

The camera is the kernel's own (vivid); plugging it in is to bind it to its driver, which is what the kernel
does with a USB camera. Of the daemon it is expected that

- while the camera is out, its status says that the stream is `retrying`, and why;
- it lets go of a camera that is pulled out, as the kernel would give one that comes back another name;
- a record comes within two seconds of the camera's return, counted from just before it is bound;
- descriptors and threads do not become more;
- SIGTERM ends it with 0, each frame has one record, and the outcomes add up to the frames captured.

RESULTS is a directory for the daemon's log, records and summary.
"""

import collections
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time

CLASSIFYD = ["target/release/classifyd", "--onnxruntime", "lib/libonnxruntime.so", "--models", "tests/data/models"]
DRIVER = pathlib.Path("/sys/bus/platform/drivers/vivid")
DEVICE = pathlib.Path("/dev/video0")
SOCKET = "/dev/shm/classifyd.sock"
CONFIGURATION = f"""\
policy.kind = "fixed:colour"
status.socket = "{SOCKET}"
[[stream]]
name = "door"
source = "v4l2://{DEVICE}"
budget = "1s"
"""

# Seconds that the camera is out, the first time after the start. The daemon's pauses have reached their
# longest after one and a half.
ABSENCES = [4, 0.5, 1, 2, 3, 6]
# Seconds that it then stays in.
PRESENCE = 2
# Seconds from its return to a record, and from its absence to its being let go.
LIMIT = 2
# Seconds for what has no limit of its own.
PATIENCE = 60
LOSSES = ["not_started", "failed", "ended", "stalled", "undecodable", "resized", "time_jump"]
OUTCOMES = ["classified", "reused", "superseded", "skipped", "expired", "late", "failed", "abandoned", "lost"]


def main(results):
    # Loading the driver has plugged it in.
    print("doctor, while the camera is in:", *doctor(), sep="\n  ", flush=True)
    unplug()
    print("doctor, while it is out:", *doctor(), sep="\n  ", flush=True)
    daemon = Daemon(results)
    try:
        daemon.expect_loss()
        print("  out for  attempts  in: first record  out: let go  retrying", flush=True)
        turns = [turn(daemon, absence) for absence in ABSENCES]
        expect_nothing_left([turn.vitals for turn in turns])
        errors = daemon.stream()["errors"]
        summary = daemon.stop()
    finally:
        daemon.kill()
    expect_sums(summary["total"], [record for _, record in daemon.records])
    expect_losses(summary["losses"][0], len(turns))
    print(f"{len(turns)} times plugged in, a record within {max(turn.back for turn in turns):.2f} s (of {LIMIT} s)")
    print("frames:", counts(summary["total"], ["captured", *OUTCOMES]))
    print("losses:", counts(summary["losses"][0], LOSSES))
    print("in words:", *sorted({error["error"] for error in errors}), sep="\n  ")


def fail(words):
    sys.exit(f"test-v4l2: {words}")


def doctor():
    """What `classifyd doctor` says of V4L2, by lines."""
    command = [*CLASSIFYD, "--premodel", "models/premodel.safetensors", "doctor"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        fail(f"doctor exits with {done.returncode}:\n{done.stdout}{done.stderr}")
    return re.findall(r"^\w+ +(?:GStreamer element v4l2src|camera).*", done.stdout, re.MULTILINE)


def plug():
    (DRIVER / "bind").write_text("vivid.0")
    if not DEVICE.exists():
        fail(f"the camera has come back as {[str(path) for path in DEVICE.parent.glob('video*')]}")


def unplug():
    (DRIVER / "unbind").write_text("vivid.0")


Turn = collections.namedtuple("Turn", "back vitals")


def turn(daemon, absence):
    """After an absence plugs the camera in, and pulls it out again."""
    time.sleep(absence)
    before = daemon.expect_loss()
    moment = time.monotonic()
    plug()
    back = daemon.first_record_after(moment) - moment
    if back > LIMIT:
        fail(f"the first record came {back:.2f} s after the camera's return")
    time.sleep(PRESENCE)
    vitals = daemon.vitals()
    moment = time.monotonic()
    unplug()
    freed = daemon.expect_release(moment) - moment
    daemon.expect_loss()
    said = time.monotonic() - moment
    print(
        f"{absence:>7} s  {before['attempt']:>8}  {back:>14.2f} s  {freed:>9.2f} s  {said:>6.2f} s",
        flush=True,
    )
    return Turn(back, vitals)


class Daemon:
    """`classifyd run` with one stream, of the camera."""

    def __init__(self, results):
        configuration = pathlib.Path("/dev/shm/classifyd.toml")
        configuration.write_text(CONFIGURATION)
        self.summary = results / "summary.json"
        command = [*CLASSIFYD, "run", "--config", configuration, "--summary", self.summary]
        with open(results / "daemon.log", "w") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        # Each with the time at which it came.
        self.records = []
        self.news = threading.Condition()
        self.reader = threading.Thread(target=self.read, args=[results / "records.jsonl"], daemon=True)
        self.reader.start()

    def read(self, copy):
        with open(copy, "w") as file:
            for line in self.process.stdout:
                with self.news:
                    self.records.append((time.monotonic(), json.loads(line)))
                    self.news.notify_all()
                file.write(line)

    def first_record_after(self, moment):
        """When it came."""
        with self.news:
            if not self.news.wait_for(lambda: self.records and self.records[-1][0] > moment, PATIENCE):
                fail(f"no record came in {PATIENCE} s. The stream:\n{json.dumps(self.stream(), indent=1)}")
            return next(at for at, _ in self.records if at > moment)

    def stream(self):
        """Its status; `None` while there is none yet."""
        if self.process.poll() is not None:
            fail(f"classifyd has ended with {self.process.returncode}")
        command = [*CLASSIFYD, "status", "--json", "--socket", SOCKET]
        status = subprocess.run(command, capture_output=True, text=True)
        return json.loads(status.stdout)["streams"][0] if status.returncode == 0 else None

    def expect_loss(self):
        """The stream's status as soon as it says that the camera is lost."""
        deadline = time.monotonic() + PATIENCE
        while True:
            stream = self.stream()
            if stream and stream["state"] == "retrying" and stream["loss"] and stream["errors"]:
                return stream
            if time.monotonic() > deadline:
                fail(f"the camera is out, and the status does not say so:\n{json.dumps(stream, indent=1)}")
            time.sleep(0.02)

    def expect_release(self, moment):
        """When the camera was let go that was pulled out at that moment."""
        while any(path.startswith(str(DEVICE)) for path in self.descriptors()):
            if time.monotonic() > moment + LIMIT:
                fail(f"classifyd has kept {DEVICE} open for {LIMIT} s, so the camera will not come back by that name")
            time.sleep(0.005)
        return time.monotonic()

    def descriptors(self):
        paths = []
        for link in pathlib.Path(f"/proc/{self.process.pid}/fd").iterdir():
            try:
                paths.append(os.readlink(link))
            except FileNotFoundError:
                # It was closed meanwhile.
                continue
        return paths

    def vitals(self):
        return {"descriptors": len(self.descriptors()), "threads": len(os.listdir(f"/proc/{self.process.pid}/task"))}

    def stop(self):
        """The summary."""
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            fail(f"classifyd has not ended {PATIENCE} s after SIGTERM")
        self.reader.join()
        if code != 0:
            fail(f"classifyd exits with {code} after SIGTERM")
        return json.loads(self.summary.read_text())

    def kill(self):
        self.process.kill()


def expect_nothing_left(vitals):
    # The first time makes what stays.
    _, second, *_, last = vitals
    more = {name: count for name, count in last.items() if count > second[name] + 2}
    if more:
        fail(f"there were {second} when the camera was in for the second time, and {last} the last time")


def expect_sums(total, records):
    frames = sorted(record["frame"] for record in records)
    if frames != list(range(total["captured"])):
        fail(f"of {total['captured']} frames there are {len(frames)} records, of {len(set(frames))} frames")
    outcomes = collections.Counter(record["outcome"] for record in records)
    if any(total[name] != outcomes[name] for name in OUTCOMES) or sum(outcomes.values()) != total["captured"]:
        fail(f"the summary says {total}, the records say {dict(outcomes)}")


def expect_losses(losses, turns):
    # It was not there at the start, and broke off each time that it was pulled out.
    broke = sum(losses[name] for name in LOSSES if name != "not_started")
    if losses["not_started"] == 0 or broke != turns:
        fail(f"the camera was pulled out {turns} times, and the summary says of its losses {losses}")


def counts(numbers, names):
    return ", ".join(f"{numbers[name]} {name}" for name in names if numbers[name])


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
