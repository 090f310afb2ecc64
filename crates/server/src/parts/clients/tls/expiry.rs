//! Certificates that expire: the server logs a warning a month, a week and a day before a
//! certificate expires, and when it has expired.

use russet_net::tls::{CertificateFacts, Materials};

const DAY_S: i64 = 86_400;
/// Stages of the warnings, the latest first: time before the expiry.
const STAGES: [i64; 4] = [0, DAY_S, 7 * DAY_S, 30 * DAY_S];
/// Interval between checks of the certificates, seconds.
const EVERY_S: i64 = 60;

/// The warnings already logged.
#[derive(Debug, Default)]
pub struct Warnings {
    next_look_s: i64,
    /// For each of the four kinds: the certificate, and the stage.
    logged: [Option<(CertificateFacts, usize)>; 4],
}

impl Warnings {
    pub(crate) fn warn_when_due(&mut self, materials: &Materials, now_s: i64) {
        if now_s < self.next_look_s {
            return;
        }
        self.next_look_s = now_s + EVERY_S;
        for line in self.lines(materials, now_s) {
            tracing::warn!("{line}");
        }
    }

    fn lines(&mut self, materials: &Materials, now_s: i64) -> Vec<String> {
        let kinds = [
            ("Server", Some(&materials.server_facts)),
            ("Alternative server", materials.alternative_facts.as_ref()),
            ("Client", materials.client_facts.as_ref()),
            ("CA", materials.authority_facts.as_ref()),
        ];
        let kinds = kinds.into_iter().zip(&mut self.logged);
        let lines = kinds.filter_map(|((kind, facts), logged)| {
            let facts = facts?;
            let left_s = facts.not_after - now_s;
            let stage = STAGES.iter().position(|&before| left_s <= before)?;
            if logged
                .as_ref()
                .is_some_and(|(of, at)| of == facts && *at <= stage)
            {
                return None;
            }
            *logged = Some((facts.clone(), stage));
            let serial = &facts.serial;
            Some(match (left_s / DAY_S, left_s / 3600) {
                _ if left_s < 0 => format!("{kind} TLS certificate has expired (serial {serial})."),
                (0, hours) => {
                    format!("{kind} TLS certificate expires in {hours} hours (serial {serial}).")
                }
                (days, _) => {
                    format!("{kind} TLS certificate expires in {days} days (serial {serial}).")
                }
            })
        });
        lines.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stage_is_logged_once() {
        let mut warnings = Warnings::default();
        let authority = russet_net::tls::testing::Authority::shared();
        let materials = authority.materials();
        let end_s = materials.server_facts.not_after;
        let mut logged = |before_s: i64| {
            let lines = warnings.lines(&materials, end_s - before_s);
            let ours = lines.into_iter().filter(|line| line.starts_with("Server"));
            ours.map(|line| line.split(" (").next().expect("text").to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(logged(31 * DAY_S), [""; 0]);
        assert_eq!(
            logged(30 * DAY_S),
            ["Server TLS certificate expires in 30 days"]
        );
        assert_eq!(logged(8 * DAY_S), [""; 0]);
        assert_eq!(
            logged(6 * DAY_S),
            ["Server TLS certificate expires in 6 days"]
        );
        assert_eq!(logged(3600), ["Server TLS certificate expires in 1 hours"]);
        assert_eq!(logged(1), [""; 0]);
        assert_eq!(logged(-1), ["Server TLS certificate has expired"]);
        assert_eq!(logged(-100), [""; 0]);
    }
}
