//! A network of its own, in which packets can be lost.

use std::process::Command;

/// What makes the kernel lose packets, by the arguments of `tc`: one in ten at random; or where the
/// kernel has no `netem`, whatever comes faster than this.
const LOSSY: [&str; 2] = ["netem loss 10%", "tbf rate 16kbit burst 1600 limit 1600"];

/// A network namespace that has a loopback interface and nothing else. Dropped, it is gone.
pub struct Network {
    name: String,
}

impl Network {
    /// One that loses nothing yet. `None`, with a word why, where it cannot be had.
    pub fn new() -> Option<Self> {
        let network = Self { name: format!("classifyd-test-{}", std::process::id()) };
        let made = run(&format!("ip netns add {}", network.name))
            // Packets as on a wire, not of 64 KiB.
            .and_then(|_| network.run("ip link set lo mtu 1500 up"))
            .and_then(|_| network.lose())
            .and_then(|_| network.heal());
        made.map_err(|obstacle| eprintln!("skipped, as there is no lossy network: {obstacle}"))
            .ok()?;
        Some(network)
    }

    /// From now on packets are lost.
    pub fn lose(&self) -> Result<(), String> {
        let add = |way: &&str| self.run(&format!("tc qdisc add dev lo root {way}")).map(drop);
        let [random, rate] = &LOSSY;
        add(random).or_else(|_| add(rate))
    }

    /// So many were lost since then.
    pub fn lost(&self) -> Result<u64, String> {
        let said = self.run("tc -s qdisc show dev lo")?;
        let number = said.split("dropped ").nth(1).and_then(|rest| rest.split(',').next());
        number.and_then(|number| number.parse().ok()).ok_or(said)
    }

    /// No more are.
    pub fn heal(&self) -> Result<(), String> {
        self.run("tc qdisc del dev lo root").map(drop)
    }

    /// The command that starts another one in this network, and its first arguments.
    pub fn entrance(&self) -> (&'static str, [&str; 3]) {
        ("ip", ["netns", "exec", &self.name])
    }

    fn run(&self, command: &str) -> Result<String, String> {
        let (program, arguments) = self.entrance();
        run(&format!("{program} {} {command}", arguments.join(" ")))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // One that was never made needs no end.
        let _ = run(&format!("ip netns del {}", self.name));
    }
}

/// Runs a command, whose words are separated by spaces: what it printed, or else what went wrong.
fn run(command: &str) -> Result<String, String> {
    let mut words = command.split(' ');
    let done = Command::new(words.next().expect("a program")).args(words).output();
    let done = done.map_err(|error| format!("{command}: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    match done.status.success() {
        true => Ok(text(&done.stdout)),
        false => Err(format!("{command}: {}", text(&done.stderr))),
    }
}
