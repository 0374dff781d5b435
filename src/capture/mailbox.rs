//! Where frames wait to be looked at: a slot for each stream, one reader for all.
//!
//! A slot is bounded. What happens when it is full is its stream's [`Delivery`]: the new frame
//! takes the old one's place, and the old one settles as superseded; or the poster waits, and with
//! it the decoder behind it.
//!
//! The reader takes frames in the order in which their places in the slots were taken up. A frame
//! that replaces another inherits its place, so a stream whose frames are always new is served as
//! often as one whose frames wait.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, PoisonError, Weak};

use crate::frame::{Frame, Pace};
use crate::outcome::Outcome;
use crate::sync::{Condvar, Mutex, MutexGuard};

/// Frames that a lossless slot holds: one to take, and one decoded meanwhile.
const LOSSLESS_CAPACITY: usize = 2;

/// What a stream does with a frame when the one before it still waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The new frame takes the place of the old one; posting never waits.
    NewestWins,
    /// Posting waits until there is room; no frame is lost.
    Lossless,
}

impl Delivery {
    /// What the deadlines of frames delivered so count.
    pub fn pace(self) -> Pace {
        match self {
            Self::NewestWins => Pace::Clock,
            Self::Lossless => Pace::Work,
        }
    }
}

/// A mailbox without streams, and its reader.
pub fn mailbox() -> (Mailbox, Receiver) {
    let shared = Arc::new(Shared::default());
    (Mailbox { shared: Arc::clone(&shared) }, Receiver { shared })
}

/// Opens slots for streams. As long as it lives, another stream may come.
pub struct Mailbox {
    shared: Arc<Shared>,
}

/// A stream's end of the mailbox. Dropped, it ends the stream; frames in its slot stay takeable.
pub struct Sender {
    shared: Arc<Shared>,
    slot: SlotId,
    delivery: Delivery,
}

/// Ends a stream from another thread than the one that posts.
#[derive(Clone)]
pub struct Gate {
    shared: Arc<Shared>,
    slot: SlotId,
}

/// The reader's end. Dropped, it closes the mailbox: frames in it settle as abandoned, and every
/// post fails.
pub struct Receiver {
    shared: Arc<Shared>,
}

/// Why a wait at the reader's end is over.
pub enum Taken {
    /// A frame came.
    Frame(Frame),
    /// There was a call ([`Mailbox::call`]), and it comes before the next frame.
    Call,
}

/// How full the mailbox is, seen from aside: it keeps nothing open.
#[derive(Clone)]
pub struct Depth(Weak<Shared>);

/// The stream or the mailbox is closed; the frame comes back.
#[derive(Debug)]
pub struct Closed(pub Frame);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct SlotId(u64);

/// When a place in a slot was taken up, counted over all slots.
type Arrival = u64;

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// A frame came, or one less can still come.
    arrived: Condvar,
    /// A place became free, or posting was ended.
    freed: Condvar,
}

#[derive(Default)]
struct State {
    slots: BTreeMap<SlotId, Slot>,
    slots_opened: u64,
    arrivals: Arrival,
    /// The reader was called and has not heard it.
    called: bool,
    /// No stream can be opened any more.
    complete: bool,
    closed: bool,
}

#[derive(Default)]
struct Slot {
    waiting: VecDeque<(Arrival, Frame)>,
    ended: bool,
}

impl Mailbox {
    /// Opens a slot for one stream.
    pub fn open(&self, delivery: Delivery) -> Sender {
        let mut state = self.shared.lock();
        let slot = SlotId(state.slots_opened);
        state.slots_opened += 1;
        state.forget_ended();
        state.slots.insert(slot, Slot::default());
        Sender { shared: Arc::clone(&self.shared), slot, delivery }
    }

    /// Calls the reader away from its wait for frames. Calls that it has not heard are one.
    pub fn call(&self) {
        self.shared.lock().called = true;
        self.shared.arrived.notify_all();
    }

    /// How full it is.
    pub fn depth(&self) -> Depth {
        Depth(Arc::downgrade(&self.shared))
    }
}

impl Depth {
    /// Frames that wait, of all streams.
    pub fn frames(&self) -> usize {
        let Some(shared) = self.0.upgrade() else { return 0 };
        shared.lock().slots.values().map(|slot| slot.waiting.len()).sum()
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.shared.lock().complete = true;
        self.shared.arrived.notify_all();
    }
}

impl Sender {
    /// What it does when its slot is full.
    pub fn delivery(&self) -> Delivery {
        self.delivery
    }

    /// A handle that ends the stream.
    pub fn gate(&self) -> Gate {
        Gate { shared: Arc::clone(&self.shared), slot: self.slot }
    }

    /// Puts a frame into the stream's slot.
    ///
    /// [`Delivery::NewestWins`] never waits. [`Delivery::Lossless`] waits for room, for the close
    /// of the mailbox or for the end of the stream: this wait is what holds the decoder back.
    pub fn post(&self, frame: Frame) -> Result<(), Closed> {
        match self.delivery {
            Delivery::NewestWins => self.replace(frame),
            Delivery::Lossless => self.append(frame),
        }
    }

    fn replace(&self, frame: Frame) -> Result<(), Closed> {
        let mut state = self.shared.lock();
        if !state.accepts(self.slot) {
            return Err(Closed(frame));
        }
        let superseded = state.take_from(self.slot);
        let inherited = superseded.as_ref().map(|(arrival, _)| *arrival);
        state.put(self.slot, inherited, frame);
        drop(state);
        self.shared.arrived.notify_one();
        if let Some((_, old)) = superseded {
            old.ticket.report(Outcome::Superseded);
        }
        Ok(())
    }

    fn append(&self, frame: Frame) -> Result<(), Closed> {
        let full = |state: &State| state.accepts(self.slot) && state.is_full(self.slot);
        let mut state = self.shared.wait_while(&self.shared.freed, full);
        if !state.accepts(self.slot) {
            return Err(Closed(frame));
        }
        state.put(self.slot, None, frame);
        drop(state);
        self.shared.arrived.notify_one();
        Ok(())
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.gate().close();
    }
}

impl Gate {
    /// Ends the stream: posts fail, and one that waits returns. Frames in the slot stay takeable.
    pub fn close(&self) {
        if let Some(slot) = self.shared.lock().slots.get_mut(&self.slot) {
            slot.ended = true;
        }
        self.shared.freed.notify_all();
        self.shared.arrived.notify_all();
    }
}

impl Receiver {
    /// Waits for a frame. `None` once none can come: the [`Mailbox`] is gone, every stream has ended
    /// and the slots are empty.
    pub fn take(&self) -> Option<Frame> {
        let arrived = &self.shared.arrived;
        let taken = self.shared.wait_while(arrived, |state| state.must_wait()).take_next();
        self.shared.freed.notify_all();
        taken
    }

    /// The same for a reader that hears calls.
    pub fn take_or_hear(&self) -> Option<Taken> {
        let must_wait = |state: &State| !state.called && state.must_wait();
        let mut state = self.shared.wait_while(&self.shared.arrived, must_wait);
        if std::mem::take(&mut state.called) {
            return Some(Taken::Call);
        }
        let taken = state.take_next();
        drop(state);
        self.shared.freed.notify_all();
        taken.map(Taken::Frame)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closed = true;
        let waiting: Vec<_> = state.slots.values_mut().map(take_all).collect();
        drop(state);
        self.shared.freed.notify_all();
        self.shared.arrived.notify_all();
        drop(waiting);
    }
}

fn take_all(slot: &mut Slot) -> VecDeque<(Arrival, Frame)> {
    std::mem::take(&mut slot.waiting)
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change below leaves the state whole, so a poster's panic does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_while(
        &self,
        changed: &Condvar,
        must_wait: impl Fn(&State) -> bool,
    ) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        while must_wait(&state) {
            state = changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state
    }
}

impl State {
    fn accepts(&self, slot: SlotId) -> bool {
        !self.closed && self.slots.get(&slot).is_some_and(|slot| !slot.ended)
    }

    fn is_full(&self, slot: SlotId) -> bool {
        self.slots.get(&slot).is_some_and(|slot| slot.waiting.len() >= LOSSLESS_CAPACITY)
    }

    fn put(&mut self, slot: SlotId, inherited: Option<Arrival>, frame: Frame) {
        self.arrivals += 1;
        let arrival = inherited.unwrap_or(self.arrivals);
        if let Some(slot) = self.slots.get_mut(&slot) {
            slot.waiting.push_back((arrival, frame));
        }
    }

    fn take_from(&mut self, slot: SlotId) -> Option<(Arrival, Frame)> {
        self.slots.get_mut(&slot)?.waiting.pop_front()
    }

    /// Takes the frame whose place was taken up first, and forgets streams that are over.
    fn take_next(&mut self) -> Option<Frame> {
        let heads = self.slots.iter().filter_map(|(id, slot)| Some((slot.waiting.front()?.0, *id)));
        let (_, first) = heads.min()?;
        let taken = self.take_from(first).map(|(_, frame)| frame);
        self.forget_ended();
        taken
    }

    fn forget_ended(&mut self) {
        self.slots.retain(|_, slot| !slot.ended || !slot.waiting.is_empty());
    }

    fn must_wait(&self) -> bool {
        let empty = self.slots.values().all(|slot| slot.waiting.is_empty());
        let more_may_come = !self.complete || self.slots.values().any(|slot| !slot.ended);
        empty && more_may_come
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use crossbeam_channel::{Receiver as Outcomes, Sender as Settle, unbounded};

    use super::*;
    use crate::clock::Clock;
    use crate::frame::{Picture, PixelFormat};
    use crate::outcome::{Settled, tests::ticket};

    /// Numbers tell frames of different streams apart: hundreds for the stream.
    fn frame(number: u64, settled: &Settle<Settled>) -> Frame {
        let budget = "100ms".parse().unwrap();
        let memory = Box::new([0_u8; 3]);
        let picture = Picture::new(PixelFormat::Rgb, (1, 1), 3, memory).unwrap();
        let ticket = ticket(number, Clock.now(), budget, Pace::Clock, settled.clone());
        Frame { picture, ticket }
    }

    fn number(frame: Option<Frame>) -> Option<u64> {
        frame.map(|frame| frame.ticket.account().origin.id.number)
    }

    fn next(outcomes: &Outcomes<Settled>) -> (u64, Outcome) {
        let settled = outcomes.try_recv().unwrap();
        (settled.account.origin.id.number, settled.outcome)
    }

    #[test]
    fn the_newest_frame_wins_and_the_old_one_is_counted() {
        let (settled, outcomes) = unbounded();
        let (mailbox, receiver) = mailbox();
        let sender = mailbox.open(Delivery::NewestWins);
        for number in 0..3 {
            sender.post(frame(number, &settled)).unwrap();
        }
        assert!(matches!(next(&outcomes), (0, Outcome::Superseded)));
        assert!(matches!(next(&outcomes), (1, Outcome::Superseded)));
        assert_eq!(number(receiver.take()), Some(2));
    }

    #[test]
    fn a_call_is_heard_once_and_before_the_next_frame() {
        let (settled, _outcomes) = unbounded();
        let (mailbox, receiver) = mailbox();
        let sender = mailbox.open(Delivery::Lossless);
        sender.post(frame(0, &settled)).unwrap();
        mailbox.call();
        mailbox.call();
        assert!(matches!(receiver.take_or_hear(), Some(Taken::Call)));
        assert!(matches!(receiver.take_or_hear(), Some(Taken::Frame(_))));
        let reader = thread::spawn(move || {
            let first = matches!(receiver.take_or_hear(), Some(Taken::Call));
            (first, receiver.take_or_hear().is_none())
        });
        mailbox.call();
        drop((mailbox, sender));
        assert_eq!(reader.join().unwrap(), (true, true));
    }

    #[test]
    fn its_depth_is_told_and_keeps_nothing_open() {
        let (settled, outcomes) = unbounded();
        let (mailbox, receiver) = mailbox();
        let (depth, sender) = (mailbox.depth(), mailbox.open(Delivery::Lossless));
        sender.post(frame(0, &settled)).unwrap();
        sender.post(frame(1, &settled)).unwrap();
        assert_eq!(depth.frames(), 2);
        drop((mailbox, sender, receiver));
        assert_eq!((outcomes.len(), depth.frames()), (2, 0), "the frames are gone");
    }

    #[test]
    fn a_stream_of_ever_new_frames_does_not_starve() {
        let (settled, _outcomes) = unbounded();
        let (mailbox, receiver) = mailbox();
        let live = mailbox.open(Delivery::NewestWins);
        let replay = mailbox.open(Delivery::Lossless);
        replay.post(frame(100, &settled)).unwrap();
        live.post(frame(0, &settled)).unwrap();
        replay.post(frame(101, &settled)).unwrap();
        live.post(frame(1, &settled)).unwrap();
        assert_eq!(number(receiver.take()), Some(100));
        replay.post(frame(102, &settled)).unwrap();
        live.post(frame(2, &settled)).unwrap();
        assert_eq!(number(receiver.take()), Some(2), "it inherits the place of frame 0");
        assert_eq!(number(receiver.take()), Some(101));
    }

    #[test]
    fn it_ends_when_no_frame_can_come_and_not_before() {
        let (settled, _outcomes) = unbounded();
        let (mailbox, receiver) = mailbox();
        let reader = thread::spawn(move || (number(receiver.take()), number(receiver.take())));
        let sender = mailbox.open(Delivery::Lossless);
        drop(mailbox);
        sender.post(frame(7, &settled)).unwrap();
        drop(sender);
        assert_eq!(reader.join().unwrap(), (Some(7), None));
    }

    #[test]
    fn lossless_streams_lose_nothing_and_keep_their_order() {
        const FRAMES: u64 = 500;
        let (settled, outcomes) = unbounded();
        let (mailbox, receiver) = mailbox();
        let posters: Vec<_> = (0..3)
            .map(|stream| {
                let (sender, settled) = (mailbox.open(Delivery::Lossless), settled.clone());
                let numbers = stream * 1000..stream * 1000 + FRAMES;
                let post = move |number| sender.post(frame(number, &settled)).unwrap();
                thread::spawn(move || numbers.for_each(post))
            })
            .collect();
        drop(mailbox);
        let taken: Vec<u64> = std::iter::from_fn(|| number(receiver.take())).collect();
        posters.into_iter().for_each(|poster| poster.join().unwrap());
        for stream in 0..3 {
            let own: Vec<u64> = taken.iter().copied().filter(|n| n / 1000 == stream).collect();
            assert_eq!(own, (stream * 1000..stream * 1000 + FRAMES).collect::<Vec<_>>());
        }
        assert_eq!(outcomes.len() as u64, 3 * FRAMES);
    }

    /// Runs `end` while a lossless poster waits for room; yields the number that the poster got
    /// back, and what `end` kept.
    fn post_into_full_slot<T>(end: impl FnOnce(Receiver, &Gate) -> T) -> (u64, T) {
        let (settled, _outcomes) = unbounded();
        let (mailbox, receiver) = mailbox();
        let sender = mailbox.open(Delivery::Lossless);
        let gate = sender.gate();
        for number in 0..LOSSLESS_CAPACITY as u64 {
            sender.post(frame(number, &settled)).unwrap();
        }
        let poster = thread::spawn(move || sender.post(frame(9, &settled)).unwrap_err());
        let kept = end(receiver, &gate);
        let Closed(returned) = poster.join().unwrap();
        (number(Some(returned)).unwrap(), kept)
    }

    #[test]
    fn closing_frees_who_waits() {
        let (returned, ()) = post_into_full_slot(|receiver, _| drop(receiver));
        assert_eq!(returned, 9);
    }

    #[test]
    fn ending_a_stream_frees_its_poster_and_keeps_what_waits() {
        let (returned, receiver) = post_into_full_slot(|receiver, gate| {
            gate.close();
            receiver
        });
        assert_eq!(returned, 9);
        assert_eq!(number(receiver.take()), Some(0));
        assert_eq!(number(receiver.take()), Some(1));
        assert_eq!(number(receiver.take()), None);
    }

    #[test]
    fn frames_left_in_a_closed_mailbox_are_abandoned() {
        let (settled, outcomes) = unbounded();
        let (mailbox, receiver) = mailbox();
        let sender = mailbox.open(Delivery::NewestWins);
        sender.post(frame(0, &settled)).unwrap();
        drop(receiver);
        assert!(matches!(next(&outcomes), (0, Outcome::Abandoned)));
        assert!(sender.post(frame(1, &settled)).is_err());
    }
}
