//! `--replica`: the commands that the server sends to its replicas, a line each. The snapshot
//! before them is discarded.

use std::io::{self, Write};

use super::rdb::{Head, discard, head};
use super::{ErrorLine, ended};
use crate::link::Link;
use crate::options::Options;
use crate::print::{self, Form};

pub(crate) fn replica(link: &mut Link, options: &Options) -> Result<u8, ErrorLine> {
    eprintln!("sending REPLCONF capa eof");
    link.ask(&["REPLCONF", "capa", "eof"]).map_err(ended)?;
    let head = head(link)?;
    match &head {
        Head::Length(bytes) => {
            eprintln!("SYNC with master, discarding {bytes} bytes of bulk transfer...");
        }
        Head::Mark(_) => {
            eprintln!("SYNC with master, discarding bytes of bulk transfer until EOF marker...");
        }
    }
    let is_marked = matches!(head, Head::Mark(_));
    let bytes = discard(link, head)?;
    if is_marked {
        eprintln!("SYNC done after {bytes} bytes. Logging commands from master.");
    } else {
        eprintln!("SYNC done. Logging commands from master.");
    }
    let form = options.form.unwrap_or(Form::Csv);
    loop {
        let request = link.next().map_err(ended)?;
        let mut line = Vec::new();
        print::reply(&mut line, form, &request, &options.element_delimiter);
        if form != Form::Terminal {
            line.push(b'\n');
        }
        let mut out = io::stdout().lock();
        let written = out.write_all(&line).and_then(|()| out.flush());
        written.map_err(|why| why.to_string())?;
    }
}
