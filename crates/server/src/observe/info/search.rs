//! INFO search: all indexes together. The names are as in Redis's module; figures that do not exist
//! here are left out, or 0 if 0 is true.

use super::{InfoWriter, Source};
use crate::parts::search::IndexEntry;
use russet_config::SearchOnTimeout;
use russet_search::index::Figures;
use russet_search::schema::{Algorithm, FieldKind};

const MIB: f64 = 1024.0 * 1024.0;

/// O(fields of all indexes).
pub fn search(from: &Source<'_>, to: &mut InfoWriter) {
    let indexes = &from.server.search;
    let held: Vec<&IndexEntry> = indexes.iter().map(|(_, held)| held).collect();
    let figures: Vec<Figures> = held.iter().map(|held| held.index.figures()).collect();
    let modules = from.server.config.dialect.modules();
    if let Some(module) = modules.iter().find(|module| module.name == "search") {
        to.section("search_version");
        let (major, minor, patch) = (
            module.version / 10_000,
            module.version / 100 % 100,
            module.version % 100,
        );
        to.line(format_args!("search_version:{major}.{minor}.{patch}"));
    }
    to.section("search_index");
    let indexing = held.iter().filter(|held| held.scan.is_some()).count();
    let documents: usize = figures.iter().map(|of| of.documents).sum();
    to.fields(&[
        ("search_number_of_indexes", &held.len()),
        ("search_number_of_active_indexes", &indexing),
        ("search_number_of_active_indexes_running_queries", &0),
        ("search_number_of_active_indexes_indexing", &indexing),
        ("search_total_active_write_threads", &0),
        ("search_total_num_docs_in_indexes", &documents),
        ("search_definitions_kept_aside", &indexes.refused_len()),
    ]);
    to.section("search_fields_statistics");
    field_kinds(&held, to);
    memory(&figures, to);
    let indexing_us: u64 = held.iter().map(|held| held.indexing_us).sum();
    to.line(format_args!(
        "search_total_indexing_time:{}",
        indexing_us as f64 / 1000.0
    ));
    to.section("search_cursors");
    let cursors = indexes.cursors.count(b"").1;
    to.fields(&[
        ("search_global_idle_user", &cursors),
        ("search_global_idle_internal", &0),
        ("search_global_total_user", &cursors),
        ("search_global_total_internal", &0),
    ]);
    to.section("search_gc");
    to.zeros(&[
        "search_bytes_collected",
        "search_total_cycles",
        "search_total_ms_run",
        "search_total_docs_not_collected_by_gc",
    ]);
    faults(&held, &figures, to);
    dialects(&held, to);
    settings(from, to);
}

fn memory(figures: &[Figures], to: &mut InfoWriter) {
    to.section("search_memory");
    let bytes = figures.iter().map(Figures::bytes);
    let vectors: usize = figures.iter().map(|of| of.vector_bytes).sum();
    for (name, bytes) in [
        ("search_used_memory_indexes", bytes.clone().sum()),
        (
            "search_smallest_memory_index",
            bytes.clone().min().unwrap_or(0),
        ),
        ("search_largest_memory_index", bytes.max().unwrap_or(0)),
        ("search_used_memory_vector_index", vectors),
    ] {
        to.field(name, bytes);
        to.line(format_args!("{name}_human:{}", bytes as f64 / MIB));
    }
}

/// Documents that could not be indexed.
fn faults(held: &[&IndexEntry], figures: &[Figures], to: &mut InfoWriter) {
    to.section("search_warnings_and_errors");
    let faults = figures.iter().map(|of| of.faults.count);
    to.fields(&[
        (
            "search_errors_indexing_failures",
            &faults.clone().sum::<u64>(),
        ),
        (
            "search_errors_for_index_with_max_failures",
            &faults.max().unwrap_or(0),
        ),
        (
            "search_OOM_indexing_failures_indexes_count",
            &held.iter().filter(|held| held.is_partial).count(),
        ),
    ]);
}

/// Whether a query has used each dialect.
fn dialects(held: &[&IndexEntry], to: &mut InfoWriter) {
    to.section("search_dialect_statistics");
    for dialect in 1..=4 {
        let is_used = held
            .iter()
            .any(|held| held.dialects >> (dialect - 1) & 1 == 1);
        to.line(format_args!(
            "search_dialect_{dialect}:{}",
            u8::from(is_used)
        ));
    }
}

/// Of each type of fields, how many there are, and how many have some options.
fn field_kinds(held: &[&IndexEntry], to: &mut InfoWriter) {
    let all = || held.iter().flat_map(|held| &held.index.schema().fields);
    type KindTest = fn(&FieldKind) -> bool;
    let kinds: [(&str, &str, KindTest); 6] = [
        ("text", "Text", |kind| matches!(kind, FieldKind::Text(_))),
        ("numeric", "Numeric", |kind| {
            matches!(kind, FieldKind::Number)
        }),
        ("tag", "Tag", |kind| matches!(kind, FieldKind::Tag(_))),
        ("geo", "Geo", |kind| matches!(kind, FieldKind::Geo)),
        ("vector", "Vector", |kind| {
            matches!(kind, FieldKind::Vector(_))
        }),
        ("geoshape", "Geoshape", |kind| {
            matches!(kind, FieldKind::Shape(_))
        }),
    ];
    for (name, title, is) in kinds {
        let of_kind = || all().filter(|field| is(&field.kind));
        let is_flat = |kind: &FieldKind| match kind {
            FieldKind::Vector(vector) => matches!(vector.algorithm, Algorithm::Flat { .. }),
            _ => false,
        };
        let is_case_sensitive =
            |kind: &FieldKind| matches!(kind, FieldKind::Tag(tag) if tag.is_case_sensitive);
        let is_vector = name == "vector";
        let counts = [
            (title, of_kind().count()),
            (
                "Sortable",
                of_kind().filter(|field| field.is_sortable).count(),
            ),
            ("NoIndex", of_kind().filter(|field| field.no_index).count()),
            (
                "CaseSensitive",
                of_kind()
                    .filter(|field| is_case_sensitive(&field.kind))
                    .count(),
            ),
            (
                "Flat",
                of_kind().filter(|field| is_flat(&field.kind)).count(),
            ),
            (
                "HNSW",
                of_kind()
                    .filter(|field| is_vector && !is_flat(&field.kind))
                    .count(),
            ),
        ];
        if counts[0].1 == 0 {
            continue;
        }
        let shown = counts.iter().filter(|(_, count)| *count > 0);
        let shown: Vec<String> = shown
            .map(|(name, count)| format!("{name}={count}"))
            .collect();
        to.line(format_args!("search_fields_{name}:{}", shown.join(",")));
    }
}

fn settings(from: &Source<'_>, to: &mut InfoWriter) {
    let config = &from.server.config;
    to.section("search_runtime_configurations");
    to.field("search_minimal_term_prefix", config.search_min_prefix);
    to.field("search_minimal_stem_length", config.search_min_stem_len);
    to.field(
        "search_maximal_prefix_expansions",
        config.search_max_prefix_expansions,
    );
    to.field("search_query_timeout_ms", config.search_timeout);
    let policy = match config.search_on_timeout {
        SearchOnTimeout::Fail => "fail",
        _ => "return",
    };
    to.field("search_timeout_policy", policy);
    to.field("search_cursor_max_idle_time", config.search_cursor_max_idle);
    to.field(
        "search_max_search_results",
        config.search_max_search_results,
    );
    to.field(
        "search_max_aggregate_results",
        config.search_max_aggregate_results,
    );
}
