//! `set-proc-title`: the title that `ps` shows.

use std::sync::{Mutex, PoisonError};

use russet_base::sys::TitleArea;
use russet_config::{Config, expand_title};

static TITLE: Mutex<Option<Title>> = Mutex::new(None);

/// The memory that holds the title, and its constant parts.
struct Title {
    area: TitleArea,
    /// The name the program was called by.
    program: Vec<u8>,
    config_file: Vec<u8>,
}

/// Reserves memory for titles. To be called once, before the first thread and after the last use of
/// the arguments.
pub fn take_title(program: &[u8], config_file: &[u8]) {
    let title = TitleArea::take().map(|area| Title {
        area,
        program: program.to_vec(),
        config_file: config_file.to_vec(),
    });
    *TITLE.lock().unwrap_or_else(PoisonError::into_inner) = title;
}

/// Shows the title of `proc-title-template`; nothing if there is no memory for it.
pub fn show_title(config: &Config) {
    let mut held = TITLE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(held) = held.as_mut() {
        held.area
            .write(&title(config, &held.program, &held.config_file));
    }
}

fn title(config: &Config, program: &[u8], config_file: &[u8]) -> Vec<u8> {
    let expanded = expand_title(&config.proc_title_template, |name| {
        Some(match name {
            b"title" => program.to_vec(),
            b"listen-addr" => listen_address(config),
            b"server-mode" if config.cluster_enabled => b"[cluster]".to_vec(),
            b"server-mode" if config.is_sentinel => b"[sentinel]".to_vec(),
            b"server-mode" => Vec::new(),
            b"port" => config.port.to_string().into_bytes(),
            b"tls-port" => config.tls_port.to_string().into_bytes(),
            b"unixsocket" => config.unixsocket.to_vec(),
            b"config-file" => config_file.to_vec(),
            _ => return None,
        })
    });
    expanded.unwrap_or_else(|| program.to_vec())
}

/// The first address and the port, or the Unix socket.
fn listen_address(config: &Config) -> Vec<u8> {
    let port = match config.port {
        0 => config.tls_port,
        port => port,
    };
    if port == 0 {
        return [b"unixsocket:", &config.unixsocket[..]].concat();
    }
    let mut text = match config.bind.0.first() {
        Some(address) => address.to_vec(),
        None => b"*".to_vec(),
    };
    text.extend_from_slice(format!(":{port}").as_bytes());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(config: &Config) -> String {
        String::from_utf8(title(config, b"redis-server", b"/etc/redis.conf")).unwrap()
    }

    #[test]
    fn the_title_names_program_address_and_mode() {
        let mut config = Config::default();
        assert_eq!(text(&config), "redis-server *:6379");
        config.cluster_enabled = true;
        config.bind.0 = vec!["127.0.0.1".into(), "::1".into()];
        assert_eq!(text(&config), "redis-server 127.0.0.1:6379 [cluster]");
        config.port = 0;
        config.unixsocket = "/tmp/r.sock".into();
        assert_eq!(
            text(&config),
            "redis-server unixsocket:/tmp/r.sock [cluster]"
        );
        config.proc_title_template = "TEST {port} {unixsocket}".into();
        assert_eq!(text(&config), "TEST 0 /tmp/r.sock");
    }
}
