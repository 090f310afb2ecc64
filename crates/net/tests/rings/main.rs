//! Rings and blocks between two threads as the loop and an I/O thread use them: what was written on
//! one side is read on the other, and blocks come back to be filled again. Small, and without a
//! system call, so that Miri runs it (the workflow `ci`).

use std::sync::Arc;
use std::thread;

use bytes::{Bytes, BytesMut};
use rtrb::{Consumer, Producer, PushError, RingBuffer};

mod atomic {
    pub use std::sync::atomic::{AtomicBool, Ordering};
}

#[path = "../../src/io_thread/sleep_flag.rs"]
mod sleep_flag;

use self::sleep_flag::SleepFlag;

const ROUNDS: u8 = 24;
const LEN: usize = 16;

/// Puts a message into a ring that may be full, and wakes the other side if it sleeps.
fn send<T>(ring: &mut Producer<T>, mut message: T, flag: &SleepFlag, to: &thread::Thread) {
    while let Err(PushError::Full(back)) = ring.push(message) {
        message = back;
        thread::yield_now();
    }
    if flag.claim_wake() {
        to.unpark();
    }
}

/// The next message; sleeps until there is one.
fn receive<T>(ring: &mut Consumer<T>, flag: &SleepFlag) -> T {
    loop {
        if let Ok(message) = ring.pop() {
            return message;
        }
        flag.begin_sleep();
        if ring.is_empty() {
            thread::park();
        }
        flag.end_sleep();
    }
}

#[test]
fn blocks_go_up_and_come_back_through_rings_that_are_full() {
    let (mut up, mut batches) = RingBuffer::<(Bytes, Vec<u8>)>::new(2);
    let (mut down, mut tasks) = RingBuffer::<Bytes>::new(1);
    let (of_loop, of_io_thread) = (Arc::new(SleepFlag::new()), Arc::new(SleepFlag::new()));
    let (here, loop_flag, io_thread_flag) = (
        thread::current(),
        Arc::clone(&of_loop),
        Arc::clone(&of_io_thread),
    );
    let io_thread = thread::spawn(move || {
        let mut free: Vec<BytesMut> = (0..2).map(|_| BytesMut::zeroed(LEN)).collect();
        for round in 0..ROUNDS {
            let mut block = free.pop().unwrap_or_else(|| {
                let block: Bytes = receive(&mut tasks, &io_thread_flag);
                block.try_into_mut().expect("no part of it is unread_copy")
            });
            block.fill(round);
            send(&mut up, (block.freeze(), vec![round]), &loop_flag, &here);
        }
    });
    for round in 0..ROUNDS {
        let (block, reports) = receive(&mut batches, &of_loop);
        let part = block.slice(1..LEN);
        assert!(reports == [round] && part.iter().all(|byte| *byte == round));
        drop(part);
        if round + 2 < ROUNDS {
            send(&mut down, block, &of_io_thread, io_thread.thread());
        }
    }
    io_thread.join().expect("it ends");
}
