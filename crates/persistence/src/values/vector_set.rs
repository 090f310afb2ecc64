//! Vector sets, as values of Redis's module.
//!
//!     id, dim, n, quantization | M << 8, flags [input dim, matrix] n (element) 0      MODULE_2
//!     element = name [attributes] vector n (number)
//!     numbers = uid, level | version << 24,
//!               of each level from 0: links, at most, (uid) of the links
//!                                     [worst link | its distance << 32],
//!               l2 norm | range << 32
//!
//! Numbers after the id are fields of module data, each with its kind before it. Floats among them
//! are their bits. Version 0 has no worst links; flags mark a projection, and attributes.
//!
//!     RESTORE key 0 payload

use super::{NamedForm, SavedContainer, ValueForm};
use crate::aof::CommandWriter;
use crate::rdb::format::kind;
use crate::rdb::module::{
    self, VECTOR_SET, field, read_count, read_end, read_number, read_string,
    write_number as number, write_string as string,
};
use crate::rdb::{
    Fault, Input, Part, RdbWriter, Rules, VERSION_FIELD_TTLS, VERSION_USUAL, is_valkey,
};
use russet_keyspace::Keyspace;
use russet_resp::write_request;
use russet_types::vector_set::{
    Content, ContentLoader, DIM_MAX, LINKS_MAX, LoadedNode, NodeId, Parameters, Projection,
    Quantization, StoredVector,
};
use russet_types::{Type, VectorSet};

/// Redis's first version with vector sets.
const VERSION_MIN: u32 = VERSION_FIELD_TTLS;

const HAS_PROJECTION: u64 = 1;
const HAS_ATTRIBUTES: u64 = 2;

/// M of files that do not have it.
const M_DEFAULT: u64 = 16;
const M_MAX: u64 = 4096;
/// The version of nodes that are written.
const NODE_VERSION: u64 = 1;
/// Bytes of an element at least.
const ELEMENT_MIN: u64 = 12;
/// Bytes of a number at least.
const NUMBER_MIN: u64 = 2;

impl SavedContainer for VectorSet {
    const FORMS: &[NamedForm] = &[(
        kind::MODULE_2,
        "module-value",
        &[Part::Length, Part::Fields],
    )];

    fn load(input: &mut Input<'_>, _kind: u8, _rules: &Rules) -> Result<VectorSet, Fault> {
        let name = module::name(input)?;
        if name == VECTOR_SET {
            load_fields(input)
        } else {
            Err(Fault::Module(name))
        }
    }

    fn form(&self, version: u32) -> ValueForm {
        let is_lost = version < VERSION_MIN || is_valkey(version);
        ValueForm {
            lost: is_lost.then_some("a vector set"),
            may_lose: false,
            ..ValueForm::of(kind::MODULE_2)
        }
    }

    fn version_for(keyspace: &Keyspace) -> u32 {
        if keyspace.any_of(Type::VectorSet) {
            VERSION_MIN
        } else {
            VERSION_USUAL
        }
    }

    fn save_head(&self, to: &mut RdbWriter, _form: ValueForm) {
        let content = self.read();
        let parameters = content.parameters();
        to.length(module::id(VECTOR_SET, 0));
        number(to, u64::from(parameters.dim));
        number(to, content.len() as u64);
        let quantization = parameters.quantization as u64;
        number(to, quantization | u64::from(parameters.m) << 8);
        let projection = content.projection();
        let has_projection = if projection.is_some() {
            HAS_PROJECTION
        } else {
            0
        };
        number(to, has_projection | attributes_flag(&content));
        if let Some(projection) = projection {
            number(to, u64::from(projection.input_dim()));
            string(to, &projection.rows());
        }
    }

    fn save_part(
        &self,
        to: &mut RdbWriter,
        _form: ValueForm,
        at: u64,
        limit: usize,
    ) -> Option<u64> {
        let content = self.read();
        let index = content.index();
        let mut next = index.before(at.checked_sub(1).map(|id| NodeId(id as u32)));
        for _ in 0..super::part_of_nodes(limit) {
            let Some(id) = next else { break };
            save_element(to, &content, id);
            next = index.before(Some(id));
        }
        if next.is_none() {
            to.length(field::END);
        }
        // A position is two past the node that comes next: 0 is the beginning.
        next.map(|NodeId(id)| u64::from(id) + 2)
    }

    fn rewrite(&self, to: &mut CommandWriter, key: &[u8], _at: u64, _most: usize) -> Option<u64> {
        let mut writer = RdbWriter::new(VERSION_MIN, false);
        let form = self.form(VERSION_MIN);
        writer.raw(&[form.kind]);
        self.save_head(&mut writer, form);
        let mut at = Some(0);
        while let Some(from) = at {
            at = self.save_part(&mut writer, form, from, usize::MAX >> 8);
        }
        let payload = writer.payload();
        let args: [&[u8]; 4] = [b"RESTORE", key, b"0", &payload];
        write_request(&mut to.out, args.into_iter());
        None
    }
}

fn attributes_flag(content: &Content) -> u64 {
    match content.with_attributes() {
        0 => 0,
        _ => HAS_ATTRIBUTES,
    }
}

/// Two floats as a number.
fn pair(low: u32, high: f32) -> u64 {
    u64::from(low) | u64::from(high.to_bits()) << 32
}

fn save_element(to: &mut RdbWriter, content: &Content, id: NodeId) {
    let index = content.index();
    let element = content.element(id);
    string(to, element.name);
    if attributes_flag(content) != 0 {
        string(to, element.attributes);
    }
    let vector = index.vector(id);
    string(to, vector.bytes);
    let level = index.level(id);
    let links = (0..=level).map(|level| index.links(id, level).len() + 3);
    number(to, 3 + links.sum::<usize>() as u64);
    number(to, index.uid(id));
    number(to, level as u64 | NODE_VERSION << 24);
    for level in 0..=level {
        let links = index.links(id, level);
        number(to, links.len() as u64);
        number(to, index.links_max(id, level) as u64);
        for link in links {
            number(to, index.uid(link));
        }
        let (worst, distance) = index.worst_link(id, level);
        number(to, pair(worst, distance));
    }
    number(to, pair(vector.l2.to_bits(), vector.range));
}

/// Reads the fields after a vector set's id.
pub(crate) fn load_fields(input: &mut Input<'_>) -> Result<VectorSet, Fault> {
    let dim = read_number(input)?;
    let count = read_count(input, ELEMENT_MIN)?;
    let made = read_number(input)?;
    let flags = read_number(input)?;
    let m = match made >> 8 & 0xffff {
        0 => M_DEFAULT,
        m => m,
    };
    let quantization = Quantization::from_number(made & 0xff);
    let quantization = quantization.ok_or(damaged("the quantization is not known"))?;
    if !(1..=u64::from(DIM_MAX)).contains(&dim) {
        return Err(damaged("the dimension is out of range"));
    }
    if m > M_MAX {
        return Err(damaged("M is out of range"));
    }
    let parameters = Parameters {
        dim: dim as u32,
        quantization,
        m: m as u16,
    };
    let projection = match flags & HAS_PROJECTION {
        0 => None,
        _ => Some(read_projection(input, parameters.dim)?),
    };
    let mut loader = ContentLoader::new(parameters, projection);
    let mut buffers = Buffers::default();
    for _ in 0..count {
        buffers.read(input, flags & HAS_ATTRIBUTES != 0)?;
        buffers.add(&mut loader)?;
    }
    read_end(input)?;
    Ok(VectorSet::loaded(loader)?)
}

fn damaged(why: &'static str) -> Fault {
    Fault::damaged(why)
}

fn read_projection(input: &mut Input<'_>, dim: u32) -> Result<Projection, Fault> {
    let input_dim = read_number(input)?;
    let mut rows = Vec::new();
    read_string(input, &mut rows)?;
    let input_dim = u32::try_from(input_dim).ok().filter(|dim| *dim <= DIM_MAX);
    let projection = input_dim.and_then(|input| Projection::from_rows(input, dim, &rows));
    projection.ok_or(damaged("the projection has another size"))
}

/// An element as it is read: used for all in turn.
#[derive(Default)]
struct Buffers {
    name: Vec<u8>,
    attributes: Vec<u8>,
    vector: Vec<u8>,
    numbers: Vec<u64>,
    levels: Vec<(u64, u64)>,
    links: Vec<u64>,
}

impl Buffers {
    fn read(&mut self, input: &mut Input<'_>, has_attributes: bool) -> Result<(), Fault> {
        read_string(input, &mut self.name)?;
        self.attributes.clear();
        if has_attributes {
            read_string(input, &mut self.attributes)?;
        }
        read_string(input, &mut self.vector)?;
        let count = read_count(input, NUMBER_MIN)?;
        self.numbers.clear();
        for _ in 0..count {
            self.numbers.push(read_number(input)?);
        }
        Ok(())
    }

    fn add(&mut self, loader: &mut ContentLoader) -> Result<(), Fault> {
        const SHORT: &str = "an element's numbers are too few or too many";
        let mut numbers = self.numbers.iter().copied();
        let mut next = || numbers.next().ok_or(damaged(SHORT));
        let (uid, shape) = (next()?, next()?);
        let (level, version) = (shape & 0xff, shape >> 24 & 0xff);
        if version > NODE_VERSION {
            return Err(damaged("an element is of a newer version"));
        }
        self.levels.clear();
        self.links.clear();
        for _ in 0..=level {
            let (count, most) = (next()?, next()?);
            if count > LINKS_MAX as u64 {
                return Err(damaged("an element has too many links"));
            }
            self.levels.push((count, most));
            for _ in 0..count {
                self.links.push(next()?);
            }
            if version > 0 {
                // The index computes this number when it is needed.
                next()?;
            }
        }
        let last = next()?;
        if numbers.next().is_some() {
            return Err(damaged(SHORT));
        }
        let node = LoadedNode {
            uid,
            payload: 0,
            vector: StoredVector {
                bytes: &self.vector,
                l2: f32::from_bits(last as u32),
                range: f32::from_bits((last >> 32) as u32),
            },
            levels: &self.levels,
            links: &self.links,
        };
        if loader.add(&self.name, &self.attributes, node)? {
            Ok(())
        } else {
            Err(damaged("an element is there twice"))
        }
    }
}
