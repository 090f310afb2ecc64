//! A server that ends by itself: wrong settings, `--version`, a port in use.

use std::{
    io::{Read, Write},
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use super::{daemon::russet, wait::SOON};

/// The end of a process, and its output.
#[derive(Debug)]
pub struct ProcessOutput {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// Runs russet in `folder` until it ends, with `stdin` as its input.
#[track_caller]
pub fn run_once(folder: &Path, args: &[&str], stdin: &[u8]) -> ProcessOutput {
    run_program(&russet(), folder, args, stdin)
}

/// Like [`run_once`], for another program.
#[track_caller]
pub fn run_program(program: &Path, folder: &Path, args: &[&str], stdin: &[u8]) -> ProcessOutput {
    let mut child = Command::new(program)
        .args(args)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("russet starts");
    let mut input = child.stdin.take().expect("a pipe");
    // A failed write means that the program has ended without reading, and the test will notice.
    let _ = input.write_all(stdin);
    drop(input);
    let until = Instant::now() + SOON;
    let status = loop {
        if let Some(status) = child.try_wait().expect("our child") {
            break status;
        }
        if Instant::now() > until {
            let _ = child.kill();
            let _ = child.wait();
            panic!("russet {args:?} has not ended");
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    };
    let mut ended = ProcessOutput {
        code: status.code(),
        out: String::new(),
        err: String::new(),
    };
    let out = child.stdout.take().expect("a pipe");
    let err = child.stderr.take().expect("a pipe");
    read_all(out, &mut ended.out);
    read_all(err, &mut ended.err);
    ended
}

fn read_all(mut from: impl Read, to: &mut String) {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).expect("a pipe reads");
    *to = String::from_utf8_lossy(&bytes).into_owned();
}
