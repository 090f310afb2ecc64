//! The endpoints of `metrics-port`: `/metrics` for Prometheus, `/healthz` and `/readyz` for
//! orchestrators. `server/run/http.rs` handles the connections.
//!
//! Most metrics are fields of INFO under other names (`fields`); metrics with labels are made from
//! INFO's sources (`families`). Cost: INFO's, and some microseconds for each command that has been
//! called; `percentiles` bounds the most expensive part.

pub mod exposition;
pub mod families;
pub mod fields;
pub mod health;
pub mod http;
pub mod percentiles;

use crate::parts::migration;
use sha2::{Digest, Sha256};

pub use health::Readiness;

use self::exposition::{Families, Value, open_metrics, prometheus};
use self::http::Request;

use crate::observe::info;
use crate::observe::info::Source;
use crate::state::world::Engine;

/// A number as INFO writes it; `ok` is 1, `err` and `fail` are 0.
fn number(text: &str) -> Option<Value> {
    match text {
        "ok" => return Some(Value::Whole(1)),
        "err" | "fail" => return Some(Value::Whole(0)),
        _ => {}
    }
    if let Ok(whole) = text.parse() {
        return Some(Value::Whole(whole));
    }
    Some(Value::Real(
        text.parse().ok().filter(|x: &f64| x.is_finite())?,
    ))
}

/// The fields of INFO that are metrics, and the lines of replication.
fn add_fields(source: &Source<'_>, to: &mut Families) {
    let mut text = info::info(source, fields::SECTIONS);
    if let Some(cluster) = &source.server.cluster {
        text.push_str(&cluster.core.info());
        text.push_str(&migration::figures(
            source.server.migrations.as_deref(),
            source.keyspace,
        ));
    }
    for line in text.lines() {
        let Some((field, value)) = line.split_once(':') else {
            continue;
        };
        if let Some(row) = fields::find(field)
            && let Some(value) = number(value)
        {
            to.single(row.metric, row.kind, row.help, value);
        }
    }
    families::add_replication(&text, to);
}

pub const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

impl Engine {
    /// Answers the request whose first bytes are `bytes`; `None`: it is incomplete.
    pub fn answer_scrape(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let request = match http::parse(bytes) {
            Ok(request) => request?,
            Err(status) => {
                self.server.diagnostics.metrics.figures.refused += 1;
                return Some(http::refuse(status));
            }
        };
        let method = request.method;
        Some(match request.path {
            "/metrics" => self.serve_metrics(&request),
            "/healthz" | "/health" => http::answer(http::OK, http::TEXT, "ok\n", method),
            "/readyz" => {
                let readiness = Readiness::of(&self.server);
                let status = if readiness.is_ready() {
                    http::OK
                } else {
                    http::UNAVAILABLE
                };
                http::answer(status, http::TEXT, &readiness.to_string(), method)
            }
            "/" => http::answer(
                http::OK,
                http::TEXT,
                "/metrics\n/healthz\n/readyz\n",
                method,
            ),
            _ => http::answer(http::NOT_FOUND, http::TEXT, "Not Found\n", method),
        })
    }

    fn serve_metrics(&mut self, request: &Request<'_>) -> Vec<u8> {
        let password = &self.server.config.metrics_password;
        let shown = request.secret.as_deref().unwrap_or_default();
        // Digests are compared, so that the time reveals nothing of the password.
        if !password.is_empty() && Sha256::digest(&**password) != Sha256::digest(shown) {
            self.server.diagnostics.metrics.figures.refused += 1;
            return http::refuse(http::UNAUTHORIZED);
        }
        let text = self.metrics_text(request.wants_open_metrics);
        if request.wants_open_metrics {
            http::answer(http::OK, OPEN_METRICS, &text, request.method)
        } else {
            http::answer(http::OK, PROMETHEUS, &prometheus(&text), request.method)
        }
    }

    /// All metrics, as OpenMetrics text or as Prometheus's older text.
    pub fn metrics_text(&mut self, is_open_metrics: bool) -> String {
        let began = std::time::Instant::now();
        let Engine {
            server, keyspace, ..
        } = self;
        server.diagnostics.metrics.figures.scrapes += 1;
        let mut percentiles = std::mem::take(&mut server.diagnostics.metrics.percentiles);
        let percents = &server.config.latency_tracking_info_percentiles.0;
        let now_ms = server.now.mono_ms;
        percentiles.refresh(percents, &server.diagnostics.command_stats, now_ms);
        let source = Source::new(keyspace, server, None);
        let mut families = Families::default();
        families::add_instance(&source, &mut families);
        add_fields(&source, &mut families);
        families::add_all(&source, &mut families);
        if let Some(driver) = &server.sentinel {
            families::add_sentinel(&driver.core, &mut families);
        }
        let mut text = open_metrics(families, server.diagnostics.metrics.text_bytes + 1024);
        percentiles.write(server, is_open_metrics, &mut text);
        server.diagnostics.metrics.percentiles = percentiles;
        server.diagnostics.metrics.text_bytes = text.len();
        server.diagnostics.metrics.figures.last_micros = began.elapsed().as_micros() as u64;
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replication_is_read_from_its_lines() {
        let mut families = Families::default();
        let info = "role:slave\r\nmaster_host:10.0.0.1\r\nmaster_port:6379\r\nmaster_link_status:up\r\n\
                    master_last_io_seconds_ago:3\r\nslave_read_only:1\r\n\
                    slave0:ip=10.0.0.2,port=7,state=online,offset=14,lag=1\r\n";
        families::add_replication(info, &mut families);
        let text = open_metrics(families, 0);
        for line in [
            "redis_master_link_up{master_host=\"10.0.0.1\",master_port=\"6379\"} 1",
            "redis_master_last_io_seconds_ago{master_host=\"10.0.0.1\",master_port=\"6379\"} 3",
            "redis_slave_info{master_host=\"10.0.0.1\",master_port=\"6379\",read_only=\"1\"} 1",
            "redis_connected_slave_offset_bytes{slave_ip=\"10.0.0.2\",slave_port=\"7\",slave_state=\"online\"} 14",
            "redis_connected_slave_lag_seconds{slave_ip=\"10.0.0.2\",slave_port=\"7\",slave_state=\"online\"} 1",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}
