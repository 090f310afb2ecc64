//! Metrics as text: OpenMetrics by `prometheus-client`, or, for clients that do not ask for it, the
//! older Prometheus text, which differs only in its `#` lines.
//!
//! A family without samples is left out. Integers stay integers, and counters do not fall below 0.
//! Cost: O(samples); the older text format is made from the newer text, by another pass over it.
//! Elsewhere: `fields` and `families` fill the families.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabel, EncodeLabelSet, EncodeMetric, LabelSetEncoder, MetricEncoder,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use smallvec::SmallVec;

/// The type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Grows until the server or the statistics restart; the name ends in `_total`.
    Counter,
    Gauge,
    /// A name or labels that the format reserves for another type.
    Unknown,
}

/// A value: integers stay integers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    Whole(i64),
    Real(f64),
}

/// Names and values of labels.
#[derive(Clone, Debug, Default)]
pub struct Labels(pub SmallVec<[(&'static str, String); 2]>);

impl EncodeLabelSet for Labels {
    fn encode(&self, to: &mut LabelSetEncoder<'_>) -> fmt::Result {
        for (name, value) in &self.0 {
            (*name, value.as_str()).encode(to.encode_label())?;
        }
        Ok(())
    }
}

/// A metric with its samples, which differ in their labels.
#[derive(Debug)]
pub struct Family {
    pub name: &'static str,
    pub kind: MetricKind,
    pub help: &'static str,
    pub samples: Vec<(Labels, Value)>,
}

/// All metrics at one moment.
#[derive(Debug, Default)]
pub struct Families(pub Vec<Family>);

impl Families {
    /// A metric without labels.
    pub(crate) fn single(
        &mut self,
        name: &'static str,
        kind: MetricKind,
        help: &'static str,
        value: Value,
    ) {
        self.several(name, kind, help, vec![(Labels::default(), value)]);
    }

    /// A metric with labels; without samples it is left out.
    pub(crate) fn several(
        &mut self,
        name: &'static str,
        kind: MetricKind,
        help: &'static str,
        samples: Vec<(Labels, Value)>,
    ) {
        if !samples.is_empty() {
            self.0.push(Family {
                name,
                kind,
                help,
                samples,
            });
        }
    }
}

impl Collector for Families {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> fmt::Result {
        for family in &self.0 {
            family.encode(&mut to)?;
        }
        Ok(())
    }
}

impl Family {
    fn encode(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let (name, kind) = match self.kind {
            MetricKind::Counter => (self.name.trim_end_matches("_total"), MetricType::Counter),
            MetricKind::Gauge => (self.name, MetricType::Gauge),
            MetricKind::Unknown => (self.name, MetricType::Unknown),
        };
        let mut to = to.encode_descriptor(name, self.help, None, kind)?;
        for (labels, value) in &self.samples {
            if labels.0.is_empty() {
                return value.encode(self.kind, to);
            } else {
                value.encode(self.kind, to.encode_family(labels)?)?
            }
        }
        Ok(())
    }
}

impl Value {
    fn encode(self, kind: MetricKind, to: MetricEncoder<'_>) -> fmt::Result {
        match (kind, self) {
            // Counters do not fall below zero.
            (MetricKind::Counter, Value::Whole(n)) => ConstCounter::new(n.max(0) as u64).encode(to),
            (MetricKind::Counter, Value::Real(x)) => ConstCounter::new(x).encode(to),
            (_, Value::Whole(n)) => ConstGauge::new(n).encode(to),
            (_, Value::Real(x)) => ConstGauge::new(x).encode(to),
        }
    }
}

/// OpenMetrics 1.0 text, with its end mark. `bytes`: capacity to reserve.
pub(crate) fn open_metrics(families: Families, bytes: usize) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(families));
    let mut text = String::with_capacity(bytes);
    encode(&mut text, &registry).expect("memory takes what is written");
    text
}

/// Prometheus text 0.0.4 from OpenMetrics text: there a counter's `#` lines have its full name,
/// nothing is `unknown`, and there is no end mark.
pub(crate) fn prometheus(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len() + open_metrics.len() / 8);
    // HELP comes first: it is held until TYPE says whether this is a counter.
    let mut help = None;
    for line in open_metrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ');
        } else if let Some((name, kind)) = line
            .strip_prefix("# TYPE ")
            .and_then(|rest| rest.split_once(' '))
        {
            let end = if kind == "counter" { "_total" } else { "" };
            let kind = if kind == "unknown" { "untyped" } else { kind };
            if let Some((_, said)) = help.take() {
                text.extend(["# HELP ", name, end, " ", said, "\n"]);
            }
            text.extend(["# TYPE ", name, end, " ", kind, "\n"]);
        } else if !line.starts_with('#') {
            text.extend([line, "\n"]);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two() -> Families {
        let mut families = Families::default();
        families.single("a_total", MetricKind::Counter, "Things", Value::Whole(7));
        let label = |text: &str| Labels(SmallVec::from_iter([("cmd", text.to_owned())]));
        let samples = vec![
            (label("get"), Value::Real(0.5)),
            (label("x\"\n\\"), Value::Whole(-1)),
        ];
        families.several("b", MetricKind::Gauge, "Parts", samples);
        families.single("c_total", MetricKind::Unknown, "Odd", Value::Whole(2));
        families.several("d", MetricKind::Gauge, "Nothing", Vec::new());
        families
    }

    #[test]
    fn both_formats_say_the_same() {
        let open = open_metrics(two(), 0);
        assert_eq!(
            open,
            "# HELP a Things\n# TYPE a counter\na_total 7\n\
             # HELP b Parts\n# TYPE b gauge\nb{cmd=\"get\"} 0.5\nb{cmd=\"x\\\"\\n\\\\\"} -1\n\
             # HELP c_total Odd\n# TYPE c_total unknown\nc_total 2\n# EOF\n"
        );
        assert_eq!(
            prometheus(&open),
            "# HELP a_total Things\n# TYPE a_total counter\na_total 7\n\
             # HELP b Parts\n# TYPE b gauge\nb{cmd=\"get\"} 0.5\nb{cmd=\"x\\\"\\n\\\\\"} -1\n\
             # HELP c_total Odd\n# TYPE c_total untyped\nc_total 2\n"
        );
    }
}
