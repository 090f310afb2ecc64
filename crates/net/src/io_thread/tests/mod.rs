//! I/O threads that are stepped by hand, without a thread, beside plain sockets: bytes come whole
//! and in order, whatever the order of steps; windows hold; ends and recalls come after the bytes.

mod handshakes;

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::mem::MaybeUninit;
use std::os::unix::net::UnixStream as Plain;
use std::time::Duration;

use mio::net::UnixStream;
use mio::{Poll, Token};
use proptest::prelude::*;

use crate::io_thread::handoff::WINDOW;
use crate::io_thread::worker::Worker;
use crate::io_thread::{ConnectionId, Handoff, IoThread, ThreadWaker};
use crate::outside::RING;
use crate::stream::Stream;

/// A loop without clients' commands: it has the loop's ends of connections, and steps an I/O
/// thread.
struct TestBed {
    io_thread: IoThread,
    worker: Worker,
    /// By slot; the generation is 1.
    streams: Vec<Option<Stream>>,
    /// Bytes of connections that have come back, read by the I/O thread and not taken.
    unread: Vec<Vec<u8>>,
    peers: Vec<Plain>,
    _poll: Poll,
}

fn id(slot: usize) -> ConnectionId {
    ConnectionId {
        slot: slot as u32,
        generation: 1,
    }
}

impl TestBed {
    fn new(peers: usize) -> TestBed {
        TestBed::with_rings(peers, RING)
    }

    /// A bed whose rings have room for so many messages.
    fn with_rings(peers: usize, room: usize) -> TestBed {
        let poll = Poll::new().expect("a poll");
        let waker = ThreadWaker::new(poll.registry(), Token(0)).expect("a waker");
        let (io_thread, worker) = IoThread::pair(1, waker, 0, room).expect("a poll");
        let mut bed = TestBed {
            io_thread,
            worker,
            streams: Vec::new(),
            unread: vec![Vec::new(); peers],
            peers: Vec::new(),
            _poll: poll,
        };
        for slot in 0..peers {
            let (ours, theirs) = Plain::pair().expect("sockets");
            ours.set_nonblocking(true).expect("a socket");
            theirs.set_nonblocking(true).expect("a socket");
            let stream = Stream::Unix(UnixStream::from_std(ours));
            bed.streams
                .push(Some(bed.io_thread.adopt(id(slot), stream)));
            bed.peers.push(theirs);
        }
        bed.step();
        bed
    }

    fn handoff(&mut self, slot: usize) -> &mut Handoff {
        let stream = self.streams[slot].as_mut().expect("connected");
        stream.handoff().expect("a io_thread has it")
    }

    /// Sends the tasks, and lets the I/O thread do an iteration.
    fn step(&mut self) {
        for (slot, stream) in self.streams.iter_mut().enumerate() {
            if let Some(Stream::Handoff(handoff)) = stream {
                self.io_thread.collect(id(slot), handoff);
            }
        }
        self.io_thread.post();
        self.round();
    }

    fn round(&mut self) {
        self.worker.poll_for(Some(Duration::ZERO)).expect("a poll");
        self.worker.work();
    }

    /// Takes the batches that are there.
    fn receive(&mut self) -> usize {
        let mut batches = 0;
        while let Some(mut batch) = self.io_thread.take() {
            batches += 1;
            let block = std::mem::take(&mut batch.block);
            for report in &mut batch.reports {
                let stream = self.streams[report.id.slot as usize].as_mut();
                if let Some(handoff) = stream.and_then(Stream::handoff) {
                    IoThread::deliver(&block, report, handoff);
                    handoff.keep();
                }
            }
            for (id, stream) in batch.recalled.drain(..) {
                let at = id.slot as usize;
                let before = self.streams[at].replace(stream);
                if let Some(Stream::Handoff(mut handoff)) = before {
                    let most = self.unread.len().max(at + 1);
                    self.unread.resize(most, Vec::new());
                    self.unread[at].extend(handoff.take_unread());
                }
                self.io_thread.returned();
            }
            batch.block = block;
            self.io_thread.give_back(batch);
        }
        batches
    }

    /// Asks for a connection that the I/O thread has.
    fn recall(&mut self, slot: usize) {
        let stream = self.streams[slot].as_mut().expect("connected");
        if let Some(handoff) = stream.handoff().filter(|handoff| !handoff.is_recalled()) {
            self.io_thread.recall(id(slot), handoff);
        }
    }

    /// Gives the I/O thread a connection that has come back.
    fn adopt(&mut self, slot: usize) {
        if let Some(stream) = self.streams[slot].take_if(|stream| stream.io_thread().is_none()) {
            self.streams[slot] = Some(self.io_thread.adopt(id(slot), stream));
        }
    }
}

/// All that a stream gives now, and whether it is at its end.
fn drain(stream: &mut impl FnMut(&mut [u8]) -> std::io::Result<usize>) -> (Vec<u8>, bool) {
    let (mut all, mut part) = (Vec::new(), [0; 1000]);
    loop {
        match stream(&mut part) {
            Ok(0) => return (all, true),
            Ok(n) => all.extend_from_slice(&part[..n]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return (all, false),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn bytes_go_both_ways_and_the_end_is_read_after_them() {
    let mut bed = TestBed::new(1);
    bed.peers[0].write_all(b"question").expect("room");
    bed.round();
    assert_eq!(bed.receive(), 1);
    let stream = bed.streams[0].as_mut().expect("connected");
    assert_eq!(
        drain(&mut |part| Ok(stream.fill(part)?.0)),
        (b"question".to_vec(), false)
    );
    stream.write_all(b"answer").expect("room");
    assert_eq!(bed.handoff(0).unsent(), 6);
    bed.step();
    let peer = &mut bed.peers[0];
    assert_eq!(
        drain(&mut |part| peer.read(part)),
        (b"answer".to_vec(), false)
    );
    bed.peers[0].write_all(b"last").expect("room");
    bed.peers[0]
        .shutdown(std::net::Shutdown::Write)
        .expect("a socket");
    for _ in 0..3 {
        bed.round();
    }
    bed.receive();
    assert_eq!(bed.handoff(0).unsent(), 0, "reported with the read");
    let stream = bed.streams[0].as_mut().expect("connected");
    assert_eq!(
        drain(&mut |part| Ok(stream.fill(part)?.0)),
        (b"last".to_vec(), true)
    );
}

#[test]
fn what_the_loop_does_not_take_stays_in_the_kernel() {
    let mut bed = TestBed::new(1);
    let (mut sent, chunk) = (0, [7; 5000]);
    for _ in 0..1000 {
        if let Ok(n) = bed.peers[0].write(&chunk) {
            sent += n;
        }
        bed.step();
        bed.receive();
    }
    let buffered = sent;
    assert!(buffered < 2_000_000, "{buffered}");
    let mut got = 0;
    for _ in 0..1000 {
        let stream = bed.streams[0].as_mut().expect("connected");
        got += drain(&mut |part| Ok(stream.fill(part)?.0)).0.len();
        bed.step();
        bed.receive();
    }
    assert_eq!(got, sent);
}

#[test]
fn a_peer_that_does_not_read_fills_a_window_and_no_more() {
    let mut bed = TestBed::new(1);
    let mut written = 0;
    for _ in 0..200 {
        let stream = bed.streams[0].as_mut().expect("connected");
        written += stream.write(&[1; 20_000]).unwrap_or(0);
        bed.step();
        bed.receive();
        assert!(bed.handoff(0).unsent() <= WINDOW);
    }
    assert!(bed.handoff(0).unsent() > WINDOW / 2);
    let mut got = 0;
    for _ in 0..400 {
        let peer = &mut bed.peers[0];
        got += drain(&mut |part| peer.read(part)).0.len();
        bed.step();
        bed.receive();
    }
    assert_eq!(got, written);
}

#[test]
fn a_buffer_counts_until_its_last_byte_is_sent_and_shared_bytes_never() {
    let mut bed = TestBed::new(1);
    let whole: Vec<u8> = vec![1; 500_000];
    bed.handoff(0).push_own(&whole);
    bed.step();
    bed.receive();
    let handoff = bed.handoff(0);
    let left = handoff.unsent();
    assert!(0 < left && left < whole.len(), "the socket is full");
    assert!(handoff.memory_bytes() >= whole.len());
    // Further bytes are copied, and their buffer is kept; what is shared waits after them.
    handoff.push_own(&[2; 1000]);
    bed.step();
    let handoff = bed.handoff(0);
    let own = handoff.memory_bytes();
    assert!(own >= whole.len() + 1000 && own < 2 * whole.len());
    handoff.push_shared(whole.clone().into());
    bed.step();
    let handoff = bed.handoff(0);
    assert_eq!(handoff.unsent(), left + 1000 + whole.len());
    assert_eq!(handoff.memory_bytes(), own);
    let mut got = 0;
    while got < 2 * whole.len() + 1000 {
        let peer = &mut bed.peers[0];
        got += drain(&mut |part| peer.read(part)).0.len();
        bed.step();
        bed.receive();
    }
    while bed.handoff(0).unsent() > 0 {
        std::thread::sleep(Duration::from_millis(1));
        bed.step();
        bed.receive();
    }
    assert!(bed.handoff(0).memory_bytes() < 4096);
}

/// Regression: a read into memory that filled it, with no second buffer, lost its bytes.
#[test]
fn reads_into_memory_take_as_much_as_fits() {
    let mut bed = TestBed::new(1);
    let text: Vec<u8> = (0..10_000).map(|i| (i % 251) as u8).collect();
    bed.peers[0].write_all(&text).expect("room");
    bed.step();
    bed.receive();
    let mut got = Vec::new();
    for (first, second) in [(100, 0), (50, 70), (0, 30), (3000, 0), (9000, 500)] {
        let mut room = vec![MaybeUninit::uninit(); first];
        let mut behind = vec![0; second];
        let stream = bed.streams[0].as_mut().expect("connected");
        let (here, there, more) = stream.fill_vectored(&mut room, &mut behind).expect("bytes");
        got.extend_from_slice(here);
        got.extend_from_slice(&behind[..there]);
        assert_eq!(more, got.len() < text.len());
    }
    assert!(got == text);
    let stream = bed.streams[0].as_mut().expect("connected");
    assert!(stream.fill_vectored(&mut [], &mut [0; 9]).is_err());
}

/// A large string is shared between short bytes, also where the socket takes only a part of them.
#[test]
fn shared_bytes_go_between_those_around_them() {
    let mut bed = TestBed::new(1);
    let (mut wanted, mut got) = (Vec::new(), Vec::new());
    for i in 0..200_usize {
        let text = vec![i as u8; 1 + i * 997 % 70_000];
        let handoff = bed.handoff(0);
        if handoff.room() > text.len() + 20 {
            let (before, after) = (vec![b'<'; i % 3], vec![b'>'; i % 4]);
            handoff.push_own(&before);
            handoff.push_shared(text.clone().into());
            handoff.push_own(&after);
            wanted.extend([before, text, after].concat());
        }
        bed.step();
        bed.receive();
        if i % 5 == 4 {
            let peer = &mut bed.peers[0];
            got.extend(drain(&mut |part| peer.read(part)).0);
        }
    }
    while got.len() < wanted.len() {
        bed.step();
        bed.receive();
        let peer = &mut bed.peers[0];
        got.extend(drain(&mut |part| peer.read(part)).0);
    }
    assert!(got == wanted);
    bed.step();
    std::thread::sleep(Duration::from_millis(6));
    bed.step();
    bed.receive();
    assert_eq!(bed.handoff(0).unsent(), 0);
}

#[test]
fn short_messages_are_written_here_and_long_ones_are_refused() {
    let mut bed = TestBed::new(1);
    let handoff = bed.handoff(0);
    assert!(handoff.push_message(b'>', b"one") && handoff.push_message(b'*', b"two"));
    assert!(
        !handoff.push_message(b'>', &[0; 5000]),
        "it is no short one"
    );
    assert_eq!((handoff.take_uncounted(), handoff.take_uncounted()), (8, 0));
    handoff.push_shared(vec![b'x'; 5000].into());
    assert!(!handoff.push_message(b'>', b"after a shared one"));
    bed.step();
    let peer = &mut bed.peers[0];
    let got = drain(&mut |part| peer.read(part)).0;
    assert!(got.starts_with(b">one*twoxxx") && got.len() == 5008);
    let mut taken = 0;
    while bed.handoff(0).push_message(b'>', &[b'y'; 999]) {
        taken += 1;
    }
    assert_eq!(taken, 4, "what waits is short");
    let stream = bed.streams[0].as_mut().and_then(Stream::handoff);
    bed.io_thread
        .recall(id(0), stream.expect("a io_thread has it"));
    assert!(!bed.handoff(0).push_message(b'>', b"too deferred"));
}

#[test]
fn a_report_that_is_asked_for_comes_when_all_is_sent() {
    let mut bed = TestBed::new(1);
    let stream = bed.streams[0].as_mut().expect("connected");
    stream.write_all(b"bye").expect("room");
    assert!(bed.handoff(0).request_sent_report());
    bed.step();
    bed.receive();
    assert!(!bed.handoff(0).request_sent_report());
}

#[test]
fn a_broken_connection_is_reported_once_and_the_others_go_on() {
    let mut bed = TestBed::new(2);
    drop(std::mem::replace(
        &mut bed.peers[0],
        Plain::pair().expect("sockets").0,
    ));
    bed.step();
    bed.receive();
    let stream = bed.streams[0].as_mut().expect("connected");
    assert_eq!(stream.fill(&mut [0; 8]).expect("its end").0, 0);
    stream.write_all(b"nobody reads it").expect("room");
    for _ in 0..3 {
        bed.step();
        bed.receive();
    }
    let stream = bed.streams[0].as_mut().expect("connected");
    assert!(stream.fill(&mut [0; 8]).is_err());
    assert!(stream.write(b"more").is_err());
    bed.peers[1].write_all(b"here").expect("room");
    bed.step();
    bed.receive();
    let stream = bed.streams[1].as_mut().expect("connected");
    assert_eq!(stream.fill(&mut [0; 8]).expect("bytes"), (4, false));
}

#[test]
fn a_recalled_connection_comes_back_after_its_bytes() {
    let mut bed = TestBed::new(1);
    bed.peers[0].write_all(b"before").expect("room");
    let stream = bed.streams[0].as_mut().and_then(Stream::handoff);
    bed.io_thread
        .recall(id(0), stream.expect("a io_thread has it"));
    bed.step();
    let mut got = Vec::new();
    while let Some(mut batch) = bed.io_thread.take() {
        for report in &batch.reports {
            got.extend_from_slice(&batch.block[report.start as usize..][..report.len as usize]);
        }
        for (at, stream) in batch.recalled.drain(..) {
            assert_eq!(at, id(0));
            bed.streams[0] = Some(stream);
        }
    }
    let stream = bed.streams[0].as_mut().expect("connected");
    assert!(stream.io_thread().is_none());
    got.extend(drain(&mut |part| Ok(stream.fill(part)?.0)).0);
    assert_eq!(got, b"before");
}

#[test]
fn a_thread_carries_out_what_it_was_told_before_it_stops() {
    let poll = Poll::new().expect("a poll");
    let waker = ThreadWaker::new(poll.registry(), Token(0)).expect("a waker");
    let mut io_thread = IoThread::start(1, waker, 0).expect("a thread");
    let (ours, mut theirs) = Plain::pair().expect("sockets");
    ours.set_nonblocking(true).expect("a socket");
    let mut stream = io_thread.adopt(id(0), Stream::Unix(UnixStream::from_std(ours)));
    stream.write_all(b"farewell").expect("room");
    io_thread.collect(id(0), stream.handoff().expect("a io_thread has it"));
    io_thread.stop();
    let mut got = Vec::new();
    theirs.read_to_end(&mut got).expect("an end");
    assert_eq!(got, b"farewell");
}

/// A step of the test below.
#[derive(Clone, Debug)]
enum Step {
    Ask(usize, usize),
    Answer(usize, usize),
    Take(usize),
    Read(usize),
    Recall(usize),
    Adopt(usize),
    TaskBatch,
    Round,
    Receive,
}

fn steps(peers: usize) -> impl Strategy<Value = Vec<Step>> {
    let one = prop_oneof![
        (0..peers, 1..70_000_usize).prop_map(|(at, n)| Step::Ask(at, n)),
        (0..peers, 1..300_000_usize).prop_map(|(at, n)| Step::Answer(at, n)),
        (0..peers).prop_map(Step::Take),
        (0..peers).prop_map(Step::Read),
        (0..peers).prop_map(Step::Recall),
        (0..peers).prop_map(Step::Adopt),
        Just(Step::TaskBatch),
        Just(Step::Round),
        Just(Step::Receive),
    ];
    proptest::collection::vec(one, 1..200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// In any order of their steps each side gets the other's bytes, all of them, in order:
    /// with rings that are full at once, and with connections that come and go meanwhile.
    #[test]
    fn any_order_of_steps_keeps_the_order_of_bytes(steps in steps(3), room in 1..4_usize) {
        let mut bed = TestBed::with_rings(3, room);
        let mut counter = 0_u8;
        let mut bytes = |n: usize| -> Vec<u8> {
            (0..n).map(|_| { counter = counter.wrapping_mul(31).wrapping_add(7); counter }).collect()
        };
        let (mut up, mut down) = (vec![VecDeque::new(); 3], vec![VecDeque::new(); 3]);
        let check = |wanted: &mut VecDeque<u8>, got: &[u8]| {
            let front: Vec<u8> = wanted.drain(..got.len()).collect();
            assert!(front == got);
        };
        let take = |bed: &mut TestBed, at: usize, up: &mut [VecDeque<u8>]| {
            check(&mut up[at], &std::mem::take(&mut bed.unread[at]));
            let stream = bed.streams[at].as_mut().expect("connected");
            check(&mut up[at], &drain(&mut |part| Ok(stream.fill(part)?.0)).0);
        };
        let read = |bed: &mut TestBed, at: usize, down: &mut [VecDeque<u8>]| {
            let peer = &mut bed.peers[at];
            check(&mut down[at], &drain(&mut |part| peer.read(part)).0);
        };
        for step in steps {
            match step {
                Step::Ask(at, n) => {
                    let text = bytes(n);
                    let n = bed.peers[at].write(&text).unwrap_or(0);
                    up[at].extend(&text[..n]);
                }
                Step::Answer(at, n) => {
                    let text = bytes(n);
                    let stream = bed.streams[at].as_mut().expect("connected");
                    let n = stream.write(&text).unwrap_or(0);
                    down[at].extend(&text[..n]);
                }
                Step::Take(at) => take(&mut bed, at, &mut up),
                Step::Read(at) => read(&mut bed, at, &mut down),
                Step::Recall(at) => bed.recall(at),
                Step::Adopt(at) => bed.adopt(at),
                Step::TaskBatch => bed.step(),
                Step::Round => bed.round(),
                Step::Receive => _ = bed.receive(),
            }
        }
        for _ in 0..200 {
            bed.step();
            bed.receive();
            for at in 0..3 {
                take(&mut bed, at, &mut up);
                read(&mut bed, at, &mut down);
            }
        }
        prop_assert!(up.iter().chain(&down).all(VecDeque::is_empty));
    }
}
