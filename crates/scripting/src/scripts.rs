//! The cache of scripts: by name for EVALSHA, by text for EVAL.
//!
//!     slots    script, script, free, script ...       a script's number is its place
//!     by_text  fast keyed hash of the text -> number  EVAL needs no SHA-1 of a known script
//!     by_sha   name -> number
//!     lru      a list through the slots of scripts that EVAL loaded, oldest first
//!
//! Scripts of SCRIPT LOAD stay; of the scripts that EVAL loaded, the least recently used is evicted
//! when there are [`EVAL_SCRIPTS_MAX`], or when their bytes exceed a limit (`maxmemory-scripts`).

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};

use super::api::Use;
use super::flags::Flags;
use super::functions::CompiledFunction;
use super::vm::{Setup, Vm};
use super::{Sha, sha1_hex, shebang};
use russet_base::memory::alloc::{self, OwnedBytes};
use russet_base::memory::mover::Mover;

/// Maximum number of cached EVAL scripts, as in Redis.
pub const EVAL_SCRIPTS_MAX: usize = 500;

/// A script's place in the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScriptId(u32);

const NONE: u32 = u32::MAX;

/// A cached script.
pub struct Script {
    pub sha: Sha,
    pub body: Box<[u8]>,
    pub flags: Flags,
    pub function: CompiledFunction,
    hash: u64,
    /// Loaded by EVAL: may be evicted. `older` and `newer` are its neighbours in the LRU list.
    evictable: bool,
    older: u32,
    newer: u32,
}

impl Script {
    /// Bytes of the text and of the places in the cache's tables, without the compiled function.
    fn memory_bytes(&self) -> usize {
        let places =
            size_of::<Option<Script>>() + size_of::<(Sha, u32)>() + size_of::<(u64, u32)>();
        alloc::slice_bytes(self.body.len()) + places
    }
}

/// See the module.
#[derive(Default)]
pub struct Scripts {
    vm: Option<Vm>,
    slots: Vec<Option<Script>>,
    free: Vec<u32>,
    hasher: ahash::RandomState,
    /// On a hash collision the last text is found; the others are found only by name.
    by_text: HashMap<u64, u32, Identity>,
    by_sha: HashMap<Sha, u32, ahash::RandomState>,
    oldest: u32,
    newest: u32,
    evictable: usize,
    /// Bytes of the evictable scripts, and their maximum; 0: no limit.
    evictable_bytes: usize,
    evictable_bytes_max: usize,
    bytes: OwnedBytes,
    /// Scripts of EVAL that were dropped for new ones (`evicted_scripts`).
    pub evicted: u64,
}

/// Passes a hash through unchanged.
#[derive(Clone, Copy, Default)]
pub struct Identity;

impl BuildHasher for Identity {
    type Hasher = IdentityHasher;

    fn build_hasher(&self) -> IdentityHasher {
        IdentityHasher(0)
    }
}

pub struct IdentityHasher(u64);

impl Hasher for IdentityHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("only numbers are hashed");
    }

    fn write_u64(&mut self, n: u64) {
        self.0 = n;
    }
}

impl Scripts {
    /// The state, created on first use.
    pub fn vm(&mut self, setup: Setup) -> &Vm {
        self.vm.get_or_insert_with(|| Vm::new(Use::Eval, setup))
    }

    /// Bytes held by the state.
    pub fn vm_bytes(&self) -> usize {
        self.vm.as_ref().map_or(0, Vm::used)
    }

    /// Bytes held by the cache without the state, as the allocator counts them.
    pub fn bytes(&self) -> usize {
        self.bytes.bytes()
    }

    /// The number of cached scripts.
    pub fn len(&self) -> usize {
        self.by_sha.len()
    }

    /// Bytes held by the state as the allocator counts them.
    pub fn vm_allocated(&self) -> usize {
        self.vm.as_ref().map_or(0, Vm::allocated)
    }

    /// Between scripts: collects garbage for `ticks` of the cycle counter, if there is much.
    pub fn collect_garbage(&self, ticks: u64) {
        if let Some(vm) = &self.vm {
            vm.collect_garbage(ticks);
        }
    }

    /// `script-memory-limit` from now on, bytes.
    pub fn set_memory_limit(&self, bytes: usize) {
        if let Some(vm) = &self.vm {
            vm.set_limit(bytes);
        }
    }

    /// The script with this number; `None`: it has been dropped.
    pub fn get(&self, id: ScriptId) -> Option<&Script> {
        self.slots.get(id.0 as usize)?.as_ref()
    }

    /// The script of this name, in any case.
    pub fn find_sha(&self, name: &[u8]) -> Option<ScriptId> {
        let mut sha: Sha = name.try_into().ok()?;
        sha.make_ascii_lowercase();
        self.by_sha.get(&sha).copied().map(ScriptId)
    }

    fn hash(&self, body: &[u8]) -> u64 {
        self.hasher.hash_one(body)
    }

    /// The script with this text.
    pub fn find(&self, body: &[u8]) -> Option<ScriptId> {
        let at = *self.by_text.get(&self.hash(body))?;
        let script = self.slots[at as usize].as_ref()?;
        (*script.body == *body).then_some(ScriptId(at))
    }

    /// Compiles and caches a script. `by_eval`: it may be evicted.
    ///
    /// If it does not compile, returns the message for the client and caches nothing.
    pub fn add(&mut self, body: &[u8], by_eval: bool, setup: Setup) -> Result<ScriptId, Vec<u8>> {
        let sha = sha1_hex(body);
        if let Some(&at) = self.by_sha.get(&sha) {
            if !by_eval && self.slot(at).evictable {
                self.unlink(at);
                self.slot_mut(at).evictable = false;
                self.evictable -= 1;
                self.evictable_bytes -= self.slot(at).memory_bytes();
            }
            return Ok(ScriptId(at));
        }
        let head = shebang::of_script(body, setup.dialect)?;
        let compiled = self.vm(setup).compile(&body[head.len..]);
        let function = compiled.map_err(|message| {
            const FAILED: &[u8] = b"Error compiling script (new function): ";
            [FAILED, &message].concat()
        })?;
        if by_eval && self.evictable >= EVAL_SCRIPTS_MAX {
            self.remove(self.oldest);
            self.evicted += 1;
        }
        let before = alloc::thread_balance();
        let hash = self.hash(body);
        let script = Script {
            sha,
            body: body.into(),
            flags: head.flags,
            function,
            hash,
            evictable: by_eval,
            older: NONE,
            newer: NONE,
        };
        let at = match self.free.pop() {
            Some(at) => {
                self.slots[at as usize] = Some(script);
                at
            }
            None => {
                self.slots.push(Some(script));
                (self.slots.len() - 1) as u32
            }
        };
        self.by_sha.insert(sha, at);
        self.by_text.insert(hash, at);
        self.bytes.add_since(before);
        if by_eval {
            self.evictable += 1;
            self.evictable_bytes += self.slot(at).memory_bytes();
            self.link(at);
            self.evict_beyond_limit();
        }
        Ok(ScriptId(at))
    }

    /// Sets the most bytes that scripts of EVAL may take; 0: no limit. More are evicted at once,
    /// the most recently used one excepted. No script may be running.
    pub fn set_eval_bytes_max(&mut self, bytes: usize) {
        self.evictable_bytes_max = bytes;
        self.evict_beyond_limit();
    }

    fn evict_beyond_limit(&mut self) {
        let max = self.evictable_bytes_max;
        while max > 0 && self.evictable_bytes > max && self.evictable > 1 {
            self.remove(self.oldest);
            self.evicted += 1;
        }
    }

    /// The script has run: makes it the most recently used.
    #[inline]
    pub fn touch(&mut self, id: ScriptId) {
        let is_newest = self.newest == id.0;
        if !is_newest && self.get(id).is_some_and(|script| script.evictable) {
            self.unlink(id.0);
            self.link(id.0);
        }
    }

    /// Offers the texts of up to `n` scripts from slot `from` on to `mover`; returns the next slot,
    /// `None` at the end. No script may be running.
    pub fn relocate(&mut self, mover: &mut Mover, from: usize, n: usize) -> Option<usize> {
        if from == 0 {
            mover.vec(&mut self.free);
        }
        let end = from.saturating_add(n).min(self.slots.len());
        for script in self.slots[from.min(end)..end].iter_mut().flatten() {
            mover.slice(&mut script.body);
        }
        (end < self.slots.len()).then_some(end)
    }

    /// Removes all scripts; the next use creates a new state. Returns the removed scripts, to be
    /// freed.
    pub fn flush(&mut self) -> Scripts {
        let fresh = Scripts {
            evicted: self.evicted,
            evictable_bytes_max: self.evictable_bytes_max,
            ..Scripts::default()
        };
        std::mem::replace(self, fresh)
    }

    fn slot(&self, at: u32) -> &Script {
        self.slots[at as usize].as_ref().expect("a script's place")
    }

    fn slot_mut(&mut self, at: u32) -> &mut Script {
        self.slots[at as usize].as_mut().expect("a script's place")
    }

    fn remove(&mut self, at: u32) {
        self.unlink(at);
        let before = alloc::thread_balance();
        let Some(script) = self.slots[at as usize].take() else {
            return;
        };
        self.evictable -= 1;
        self.evictable_bytes -= script.memory_bytes();
        self.by_sha.remove(&script.sha);
        if self.by_text.get(&script.hash) == Some(&at) {
            self.by_text.remove(&script.hash);
        }
        let Script { function, body, .. } = script;
        drop(body);
        self.bytes.add_since(before);
        if let Some(vm) = &self.vm {
            vm.release(function);
        }
        self.free.push(at);
    }

    fn link(&mut self, at: u32) {
        let newest = if self.evictable > 1 {
            std::mem::replace(&mut self.newest, at)
        } else {
            (self.oldest, self.newest) = (at, at);
            NONE
        };
        let script = self.slot_mut(at);
        (script.older, script.newer) = (newest, NONE);
        if newest != NONE {
            self.slot_mut(newest).newer = at;
        }
    }

    fn unlink(&mut self, at: u32) {
        let script = self.slot(at);
        let (older, newer) = (script.older, script.newer);
        match older {
            NONE => self.oldest = newer,
            older => self.slot_mut(older).newer = newer,
        }
        match newer {
            NONE => self.newest = older,
            newer => self.slot_mut(newer).older = older,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Setup = Setup {
        limit: 64 << 20,
        dialect: russet_config::Dialect::Redis,
    };

    fn body(n: usize) -> Vec<u8> {
        format!("return {n}").into_bytes()
    }

    #[test]
    fn scripts_of_eval_take_no_more_than_their_limit() {
        let mut scripts = Scripts::default();
        scripts
            .add(b"return 'kept'", false, LIMIT)
            .expect("a script");
        for n in 100..200 {
            scripts.add(&body(n), true, LIMIT).expect("a script");
        }
        let each = scripts.evictable_bytes / 100;
        scripts.set_eval_bytes_max(40 * each);
        assert_eq!((scripts.len(), scripts.evicted), (41, 60));
        assert!(scripts.find(&body(159)).is_none() && scripts.find(&body(160)).is_some());
        scripts.add(&body(300), true, LIMIT).expect("a script");
        assert!(scripts.find(&body(160)).is_none() && scripts.len() == 41);
        // A script that is larger than the limit runs, and is the only script.
        let large = format!("return '{}'", "x".repeat(100 * each));
        scripts
            .add(large.as_bytes(), true, LIMIT)
            .expect("a script");
        assert_eq!(scripts.len(), 2);
        assert!(scripts.find(large.as_bytes()).is_some());
        scripts.add(&body(301), true, LIMIT).expect("a script");
        assert!(scripts.find(large.as_bytes()).is_none());
        scripts.add(&body(301), false, LIMIT).expect("a script");
        assert_eq!(scripts.evictable_bytes, 0);
    }

    #[test]
    fn scripts_of_eval_go_when_others_come_and_loaded_ones_stay() {
        let mut scripts = Scripts::default();
        let loaded = scripts
            .add(b"return 'kept'", false, LIMIT)
            .expect("a script");
        for n in 0..EVAL_SCRIPTS_MAX {
            scripts.add(&body(n), true, LIMIT).expect("a script");
        }
        let first = scripts.find(&body(0)).expect("kept");
        scripts.touch(first);
        for n in 0..3 {
            scripts.add(&body(1000 + n), true, LIMIT).expect("a script");
        }
        assert_eq!((scripts.len(), scripts.evicted), (EVAL_SCRIPTS_MAX + 1, 3));
        assert!(scripts.find(&body(0)).is_some() && scripts.get(loaded).is_some());
        for n in 1..4 {
            assert!(scripts.find(&body(n)).is_none());
        }
        assert!(scripts.find(&body(4)).is_some());
    }

    #[test]
    fn a_script_is_found_by_its_name_in_any_case() {
        let mut scripts = Scripts::default();
        let id = scripts.add(b"return 1", true, LIMIT).expect("a script");
        let sha = scripts.get(id).expect("kept").sha;
        assert_eq!(&sha, b"e0e1f9fabfc9d4800c877a703b823ac0578ff8db");
        assert_eq!(scripts.find_sha(&sha.to_ascii_uppercase()), Some(id));
        assert_eq!(scripts.find_sha(b"e0e1"), None);
        let again = scripts.add(b"return 1", false, LIMIT).expect("a script");
        assert_eq!(again, id);
        for n in 0..2 * EVAL_SCRIPTS_MAX {
            scripts.add(&body(n), true, LIMIT).expect("a script");
        }
        assert_eq!(scripts.find_sha(&sha), Some(id));
    }
}
