//! Reading values: every type, old and new, into the encoding that the limits select.
//!
//! Packed forms are checked completely before they are used, so that no loaded value causes faults
//! later. A listpack with a duplicate element is rejected if `deep` is set; else the first element
//! stays, and the others are dropped. The old forms reject duplicates in any case, as in Redis.

use super::fault::Fault;
use super::format::kind;
use super::input::{Input, Text};
use super::module::{self, ModuleId};
use super::rules::Rules;
use crate::values::{self, sketches::load_fields as load_sketch};
use russet_keyspace::OwnedValue;
use russet_sketches::{Bloom, CountMin, Cuckoo, TDigest, TopK};
use russet_types::{AnyContainer, Container};

/// Reads a value of a module after its id.
pub fn module_value<'i>(
    id: &ModuleId,
    input: &mut Input<'_>,
    rules: &Rules,
) -> Result<OwnedValue<'i>, Fault> {
    fn filled<'i>(value: impl Container + Into<AnyContainer>) -> Result<OwnedValue<'i>, Fault> {
        if value.is_empty() {
            Err(Fault::Empty)
        } else {
            Ok(OwnedValue::Container(value.into()))
        }
    }
    match id.name.as_str() {
        module::VECTOR_SET => filled(values::vector_set::load_fields(input)?),
        module::PATH_HASH => filled(values::path_hash::load_fields(input, rules)?),
        module::JSON => filled(values::json::load_fields(input, id)?),
        module::BLOOM | module::VALKEY_BLOOM => filled(load_sketch::<Bloom>(input, id)?),
        module::CUCKOO => filled(load_sketch::<Cuckoo>(input, id)?),
        module::COUNT_MIN => filled(load_sketch::<CountMin>(input, id)?),
        module::TOP_K => filled(load_sketch::<TopK>(input, id)?),
        module::T_DIGEST => filled(load_sketch::<TDigest>(input, id)?),
        module::TIME_SERIES => filled(values::time_series::load_fields(input, id)?),
        module::SUGGESTIONS => filled(values::suggestions::load_fields(input, id)?),
        _ => Err(Fault::Module(id.name.clone())),
    }
}

/// Reads a value of type `kind`.
pub fn value<'i>(
    input: &'i mut Input<'_>,
    kind: u8,
    rules: &Rules,
) -> Result<OwnedValue<'i>, Fault> {
    match kind {
        kind::STRING => Ok(match input.string()? {
            Text::Int(n) => OwnedValue::Int(n),
            Text::Bytes(text) => OwnedValue::Bytes(text),
        }),
        kind::MODULE_PRE_GA => Err(Fault::Module(module::name(input)?)),
        kind::MODULE_2 => {
            let id = module::read_id(input)?;
            module_value(&id, input, rules)
        }
        container => values::load(input, container, rules).map(OwnedValue::Container),
    }
}
