//! Reads a data node's INFO.
//!
//! Lines of a replica count only after `role:slave`. A missing field leaves the former value,
//! except for `master_link_down_since_seconds`: without it the link is up.

use crate::time::Ms;

/// The role that a data node reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Primary,
    Replica,
    /// There was no such line.
    Unknown,
}

/// The fields of one INFO.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub run_id: Option<Vec<u8>>,
    pub role: Role,
    /// `slaveN` lines: hosts and ports.
    pub replicas: Vec<(Vec<u8>, u16)>,
    pub(crate) link_down_ms: Ms,
    pub(crate) primary_host: Option<Vec<u8>>,
    pub primary_port: Option<u16>,
    pub is_link_up: Option<bool>,
    pub priority: Option<i64>,
    pub offset: Option<u64>,
    pub is_announced: Option<bool>,
    /// `master_failover_state`: whether there is a failover that the server itself carries out.
    pub(crate) has_failover: Option<bool>,
}

/// The length of a run id.
const RUN_ID_LEN: usize = 40;

/// The number at the start of a text; 0 if there is none.
fn number(text: &[u8]) -> i64 {
    let (sign, digits) = match text {
        [b'-', rest @ ..] => (-1, rest),
        _ => (1, text),
    };
    let digits = digits.iter().take_while(|b| b.is_ascii_digit());
    let add = |n: i64, b: &u8| n.saturating_mul(10).saturating_add(i64::from(b - b'0'));
    sign * digits.fold(0, add)
}

fn port(text: &[u8]) -> u16 {
    u16::try_from(number(text)).unwrap_or(0)
}

impl Report {
    pub fn read(info: &[u8]) -> Report {
        let mut report = Report {
            run_id: None,
            role: Role::Unknown,
            replicas: Vec::new(),
            link_down_ms: 0,
            primary_host: None,
            primary_port: None,
            is_link_up: None,
            priority: None,
            offset: None,
            is_announced: None,
            has_failover: None,
        };
        for line in info.split(|&b| b == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if let Some(colon) = line.iter().position(|&b| b == b':') {
                report.read_field(&line[..colon], &line[colon + 1..]);
            }
        }
        report
    }

    fn read_field(&mut self, name: &[u8], value: &[u8]) {
        match name {
            b"run_id" if value.len() >= RUN_ID_LEN => {
                self.run_id = Some(value[..RUN_ID_LEN].to_vec());
            }
            b"role" if value.starts_with(b"master") => self.role = Role::Primary,
            b"role" if value.starts_with(b"slave") => self.role = Role::Replica,
            b"master_link_down_since_seconds" => {
                self.link_down_ms = number(value).saturating_mul(1000);
            }
            b"master_failover_state" => {
                self.has_failover = Some(!value.starts_with(b"no-failover"));
            }
            _ if name.starts_with(b"slave") && name.get(5).is_some_and(u8::is_ascii_digit) => {
                self.replicas.extend(replica(value));
            }
            _ if self.role == Role::Replica => self.read_field_of_replica(name, value),
            _ => {}
        }
    }

    fn read_field_of_replica(&mut self, name: &[u8], value: &[u8]) {
        match name {
            b"master_host" => self.primary_host = Some(value.to_vec()),
            b"master_port" => self.primary_port = Some(port(value)),
            b"master_link_status" => {
                self.is_link_up = Some(value.eq_ignore_ascii_case(b"up"));
            }
            b"slave_priority" => self.priority = Some(number(value)),
            b"slave_repl_offset" => self.offset = Some(number(value).max(0) as u64),
            b"replica_announced" => self.is_announced = Some(number(value) != 0),
            _ => {}
        }
    }
}

/// `ip=A,port=N,...`, or in old servers `A,N,...`.
fn replica(value: &[u8]) -> Option<(Vec<u8>, u16)> {
    let mut words = value.split(|&b| b == b',');
    let field = |name: &[u8]| {
        let mut words = value.split(|&b| b == b',');
        words.find_map(|word| word.strip_prefix(name))
    };
    match (field(b"ip="), field(b"port=")) {
        (Some(ip), Some(its_port)) => Some((ip.to_vec(), port(its_port))),
        (Some(_), None) => None,
        (None, _) => {
            let (ip, its_port) = (words.next()?, words.next()?);
            words.next()?;
            Some((ip.to_vec(), port(its_port)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_primary_names_its_replicas() {
        let info = "# Server\r\nrun_id:0123456789012345678901234567890123456789\r\n\
            # Replication\r\nrole:master\r\nconnected_slaves:2\r\n\
            slave0:ip=10.0.0.2,port=6380,state=online,offset=14,lag=0\r\n\
            slave1:10.0.0.3,6381,online\r\nslave_expires:1\r\nmaster_failover_state:no-failover\r\n";
        let report = Report::read(info.as_bytes());
        assert_eq!(report.role, Role::Primary);
        assert_eq!(report.run_id.expect("an id").len(), 40);
        let (a, b) = (b"10.0.0.2".to_vec(), b"10.0.0.3".to_vec());
        assert_eq!(report.replicas, [(a, 6380), (b, 6381)]);
        assert_eq!(report.has_failover, Some(false));
    }

    #[test]
    fn a_replica_names_its_primary_after_its_role() {
        let fields = "master_host:db\r\nmaster_port:6379\r\nmaster_link_status:down\r\n\
            slave_repl_offset:77\r\nmaster_link_down_since_seconds:3\r\nslave_priority:10\r\n\
            replica_announced:0\r\nmaster_failover_state:waiting-for-sync\r\n";
        let report = Report::read(format!("role:slave\r\n{fields}").as_bytes());
        assert_eq!(report.primary_host.as_deref(), Some(&b"db"[..]));
        assert_eq!((report.primary_port, report.offset), (Some(6379), Some(77)));
        assert_eq!(
            (report.is_link_up, report.link_down_ms),
            (Some(false), 3000)
        );
        assert_eq!(
            (report.priority, report.is_announced),
            (Some(10), Some(false))
        );
        assert_eq!(report.has_failover, Some(true));
        let report = Report::read(format!("{fields}role:slave\r\n").as_bytes());
        assert_eq!((report.primary_host, report.priority), (None, None));
        assert_eq!(Report::read(b"-LOADING").role, Role::Unknown);
    }
}
