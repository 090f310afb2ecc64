//! The values of a Lua stack. Indices are Lua's: from 1 up, or from -1 down.
//!
//! A method is a call of LuaJIT's interface, or a few: it reads or pushes values, sets fields
//! without metatables (`raw_*`, `*_field`), calls under protection, or compiles.
//!
//! Invariants
//!   1. `state` is live: only `lua` makes a `Stack`; copies refer to the same stack.
//!   2. No method raises: the allocator refuses nothing meanwhile (invariant 2 of `lua`), and a
//!      string longer than LuaJIT allows becomes nil. Only `protected_call` runs Lua code.
//!   3. Callers refer to values that exist, and reserve room with [`Stack::has_room`].
//!
//! Cost: some nanoseconds each, but for walks of a table (`is_key`, `move_fields`) and `collect`.

use std::ffi::{c_int, c_void};
use std::ptr;

use mlua_sys as ffi;

use super::function::{Function, Raise, enter};
use super::hook;
use super::machine::{TOO_DEEP, machine_of};

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LuaType {
    None,
    Nil,
    Boolean,
    LightUserdata,
    Number,
    String,
    Table,
    Function,
    Userdata,
    Thread,
    /// Types of FFI.
    Other,
}

impl LuaType {
    /// The name in Lua's messages.
    pub fn name(self) -> &'static str {
        match self {
            LuaType::None => "no value",
            LuaType::Nil => "nil",
            LuaType::Boolean => "boolean",
            LuaType::Number => "number",
            LuaType::String => "string",
            LuaType::Table => "table",
            LuaType::Function => "function",
            LuaType::LightUserdata | LuaType::Userdata => "userdata",
            LuaType::Thread => "thread",
            LuaType::Other => "cdata",
        }
    }
}

/// LuaJIT's strings are slightly shorter than 2 GiB; for a longer string it raises an error,
/// through our frames.
const STRING_MAX: usize = 0x7fff_0000;

unsafe extern "C-unwind" {
    /// `lua_load` restricted to text or to byte code.
    fn lua_loadx(
        state: *mut ffi::lua_State,
        reader: ffi::lua_Reader,
        data: *mut c_void,
        name: *const std::ffi::c_char,
        mode: *const std::ffi::c_char,
    ) -> c_int;
}

/// The stack of a live Lua state. Copies refer to the same stack.
#[derive(Clone, Copy)]
pub struct Stack {
    pub(super) state: *mut ffi::lua_State,
}

// SAFETY, for all blocks below: `state` is live (`Stack::new` is for this module alone),
// callers refer to existing values, and no call below raises while the allocator refuses
// nothing (invariant 2 of `lua`).
impl Stack {
    pub(super) fn new(state: *mut ffi::lua_State) -> Stack {
        Stack { state }
    }

    #[inline]
    pub fn top(&self) -> c_int {
        // SAFETY: see above.
        unsafe { ffi::lua_gettop(self.state) }
    }

    #[inline]
    pub(crate) fn set_top(&self, top: c_int) {
        // SAFETY: see above.
        unsafe { ffi::lua_settop(self.state, top) }
    }

    #[inline]
    pub fn pop(&self, n: c_int) {
        self.set_top(-n - 1);
    }

    /// Reserves slots for `n` more values; `false`: the stack would be too deep.
    #[inline]
    pub fn has_room(&self, n: c_int) -> bool {
        // SAFETY: see above.
        unsafe { ffi::lua_checkstack(self.state, n) != 0 }
    }

    pub(crate) fn push_value(&self, at: c_int) {
        // SAFETY: see above.
        unsafe { ffi::lua_pushvalue(self.state, at) }
    }

    pub fn remove(&self, at: c_int) {
        // SAFETY: see above.
        unsafe { ffi::lua_remove(self.state, at) }
    }

    pub fn insert(&self, at: c_int) {
        // SAFETY: see above.
        unsafe { ffi::lua_insert(self.state, at) }
    }

    pub fn replace(&self, at: c_int) {
        // SAFETY: see above.
        unsafe { ffi::lua_replace(self.state, at) }
    }

    #[inline]
    pub fn kind(&self, at: c_int) -> LuaType {
        // SAFETY: see above.
        match unsafe { ffi::lua_type(self.state, at) } {
            ffi::LUA_TNONE => LuaType::None,
            ffi::LUA_TNIL => LuaType::Nil,
            ffi::LUA_TBOOLEAN => LuaType::Boolean,
            ffi::LUA_TLIGHTUSERDATA => LuaType::LightUserdata,
            ffi::LUA_TNUMBER => LuaType::Number,
            ffi::LUA_TSTRING => LuaType::String,
            ffi::LUA_TTABLE => LuaType::Table,
            ffi::LUA_TFUNCTION => LuaType::Function,
            ffi::LUA_TUSERDATA => LuaType::Userdata,
            ffi::LUA_TTHREAD => LuaType::Thread,
            _ => LuaType::Other,
        }
    }

    /// The value as a number; 0 if it is not a number.
    #[inline]
    pub fn number(&self, at: c_int) -> f64 {
        // SAFETY: see above.
        unsafe { ffi::lua_tonumber(self.state, at) }
    }

    /// Whether it is a number, or a string that converts to a number.
    pub fn is_number(&self, at: c_int) -> bool {
        // SAFETY: see above.
        unsafe { ffi::lua_isnumber(self.state, at) != 0 }
    }

    pub fn boolean(&self, at: c_int) -> bool {
        // SAFETY: see above.
        unsafe { ffi::lua_toboolean(self.state, at) != 0 }
    }

    /// The bytes of a string; a number is converted in place. `None`: neither.
    #[inline]
    pub fn bytes<'s>(&self, at: c_int) -> Option<&'s [u8]> {
        let mut len = 0;
        // SAFETY: see above; the bytes are valid while the value stays (invariant 4).
        unsafe {
            let text = ffi::lua_tolstring(self.state, at, &mut len);
            (!text.is_null()).then(|| std::slice::from_raw_parts(text.cast(), len))
        }
    }

    /// The length of a string, or of a table's array part.
    pub fn len(&self, at: c_int) -> usize {
        // SAFETY: see above.
        unsafe { ffi::lua_objlen(self.state, at) }
    }

    pub fn is_same(&self, a: c_int, b: c_int) -> bool {
        // SAFETY: see above.
        unsafe { ffi::lua_rawequal(self.state, a, b) != 0 }
    }

    #[inline]
    pub(crate) fn push_nil(&self) {
        // SAFETY: see above.
        unsafe { ffi::lua_pushnil(self.state) }
    }

    #[inline]
    pub(crate) fn push_boolean(&self, yes: bool) {
        // SAFETY: see above.
        unsafe { ffi::lua_pushboolean(self.state, yes.into()) }
    }

    #[inline]
    pub(crate) fn push_number(&self, n: f64) {
        // SAFETY: see above.
        unsafe { ffi::lua_pushnumber(self.state, n) }
    }

    /// Pushes a string. If it is longer than LuaJIT allows, pushes nil, and the running function
    /// fails with an out-of-memory error.
    #[inline]
    pub(crate) fn push_bytes(&self, text: &[u8]) {
        if text.len() > STRING_MAX {
            // SAFETY: Lua calls us with a live state.
            unsafe { machine_of(self.state) }.memory.refused.set(true);
            return self.push_nil();
        }
        // SAFETY: see above. LuaJIT raises nothing: neither the memory nor the length is refused.
        unsafe { ffi::lua_pushlstring_(self.state, text.as_ptr().cast(), text.len()) }
    }

    /// A light userdata: a null pointer, as in cjson.
    pub(crate) fn push_null(&self) {
        // SAFETY: see above.
        unsafe { ffi::lua_pushlightuserdata(self.state, ptr::null_mut()) }
    }

    /// A new table with room for `array` numbered and `named` other values.
    #[inline]
    pub(crate) fn push_table(&self, array: usize, named: usize) {
        // The announced size may be wrong: beyond this limit a table grows by itself.
        const ROOM_MAX: usize = 1 << 16;
        let room = |n: usize| n.min(ROOM_MAX) as c_int;
        // SAFETY: see above.
        unsafe { ffi::lua_createtable(self.state, room(array), room(named)) }
    }

    pub(crate) fn push_function<F: Function>(&self, _: F) {
        // SAFETY: see above.
        unsafe { ffi::lua_pushcclosure(self.state, enter::<F>, 0) }
    }

    /// A function with the topmost `n` values, which it pops, as its upvalues.
    pub(crate) fn push_closure<F: Function>(&self, _: F, n: c_int) {
        // SAFETY: see above.
        unsafe { ffi::lua_pushcclosure(self.state, enter::<F>, n) }
    }

    /// The index of an upvalue of the running function.
    pub(crate) const fn upvalue(n: c_int) -> c_int {
        ffi::lua_upvalueindex(n)
    }

    pub(crate) const REGISTRY: c_int = ffi::LUA_REGISTRYINDEX;
    pub(crate) const GLOBALS: c_int = ffi::LUA_GLOBALSINDEX;

    /// Replaces the key on top by its value in the table at `table`.
    #[inline]
    pub(crate) fn raw_get(&self, table: c_int) {
        // SAFETY: see above.
        unsafe { ffi::lua_rawget_(self.state, table) }
    }

    /// Pushes element `n` of the table.
    #[inline]
    pub(crate) fn raw_get_at(&self, table: c_int, n: usize) {
        match c_int::try_from(n) {
            // SAFETY: see above.
            Ok(n) => unsafe { ffi::lua_rawgeti_(self.state, table, n) },
            Err(_) => self.push_nil(),
        }
    }

    /// Stores the value on top under the key below it.
    ///
    /// Panics if the key is nil or NaN, which Lua refuses.
    #[inline]
    pub(crate) fn raw_set(&self, table: c_int) {
        let key = self.kind(-2);
        assert!(key != LuaType::Nil && !(key == LuaType::Number && self.number(-2).is_nan()));
        // SAFETY: see above; the key is valid.
        unsafe { ffi::lua_rawset(self.state, table) }
    }

    /// Stores the value on top as element `n`.
    #[inline]
    pub(crate) fn raw_set_at(&self, table: c_int, n: usize) {
        match c_int::try_from(n) {
            // SAFETY: see above.
            Ok(n) => unsafe { ffi::lua_rawseti_(self.state, table, n) },
            Err(_) => self.pop(1),
        }
    }

    /// Like [`Stack::raw_get_at`], for any whole number.
    pub(crate) fn raw_get_number(&self, table: c_int, n: i64) {
        self.push_number(n as f64);
        self.raw_get(table);
    }

    /// Stores the value on top under a whole number.
    pub(crate) fn raw_set_number(&self, table: c_int, n: i64) {
        self.push_number(n as f64);
        self.insert(-2);
        self.raw_set(table);
    }

    /// Whether the value at `key` is or was a key of the table. O(n).
    pub fn is_key(&self, table: c_int, key: c_int) -> bool {
        self.push_nil();
        while self.next(table) {
            self.pop(1);
            if self.is_same(-1, key) {
                self.pop(1);
                return true;
            }
        }
        false
    }

    /// Pushes the field `name`, ignoring metatables, and returns its type.
    pub(crate) fn get_field(&self, table: c_int, name: &str) -> LuaType {
        let table = self.absolute(table);
        self.push_bytes(name.as_bytes());
        self.raw_get(table);
        self.kind(-1)
    }

    /// Stores the value on top as the field `name`, ignoring metatables.
    pub(crate) fn set_field(&self, table: c_int, name: &str) {
        let table = self.absolute(table);
        self.push_bytes(name.as_bytes());
        self.insert(-2);
        self.raw_set(table);
    }

    /// Moves all values of a table to another table, under the same keys.
    pub(crate) fn move_fields(&self, from: c_int, to: c_int) {
        let (from, to) = (self.absolute(from), self.absolute(to));
        self.push_nil();
        while self.next(from) {
            self.push_value(-2);
            self.insert(-2);
            self.raw_set(to);
            // Values may be removed during the iteration.
            self.push_value(-1);
            self.push_nil();
            self.raw_set(from);
        }
    }

    /// Stores a function of ours under a name.
    pub(crate) fn set_function<F: Function>(&self, table: c_int, name: &str, function: F) {
        let table = self.absolute(table);
        self.push_function(function);
        self.set_field(table, name);
    }

    /// The same index, counted from the bottom.
    #[inline]
    pub fn absolute(&self, at: c_int) -> c_int {
        if at < 0 && at > Self::REGISTRY {
            self.top() + at + 1
        } else {
            at
        }
    }

    /// Replaces the key on top by the next key and its value; `false`: there is none, and the key
    /// is popped. The key must be in the table (or nil: the first).
    #[inline]
    pub fn next(&self, table: c_int) -> bool {
        // SAFETY: see above; the key comes from the table itself, so nothing is raised.
        unsafe { ffi::lua_next(self.state, table) != 0 }
    }

    /// Pushes the metatable, if any.
    pub(crate) fn metatable(&self, at: c_int) -> bool {
        // SAFETY: see above.
        unsafe { ffi::lua_getmetatable(self.state, at) != 0 }
    }

    /// Pops a table and makes it the value's metatable.
    pub(crate) fn set_metatable(&self, at: c_int) {
        // SAFETY: see above.
        unsafe {
            ffi::lua_setmetatable(self.state, at);
        }
    }

    /// Pops a table and makes it the function's globals.
    pub(crate) fn set_globals(&self, function: c_int) {
        // SAFETY: see above.
        unsafe {
            ffi::lua_setfenv(self.state, function);
        }
    }

    /// Whether it is a native function, not Lua code.
    pub(crate) fn is_native(&self, at: c_int) -> bool {
        // SAFETY: see above.
        unsafe { ffi::lua_iscfunction(self.state, at) != 0 }
    }

    /// Keeps the value on top; returns its reference number.
    pub fn keep(&self) -> c_int {
        // SAFETY: see above.
        unsafe { ffi::luaL_ref(self.state, Self::REGISTRY) }
    }

    /// Pushes a kept value.
    #[inline]
    pub(crate) fn push_kept(&self, number: c_int) {
        // SAFETY: see above.
        unsafe { ffi::lua_rawgeti_(self.state, Self::REGISTRY, number) }
    }

    /// Releases a kept value.
    pub fn release(&self, number: c_int) {
        // SAFETY: see above.
        unsafe { ffi::luaL_unref(self.state, Self::REGISTRY, number) }
    }

    /// Compiles text (never byte code) and pushes the function, or the compiler's message.
    ///
    /// The compiler reads the text in pieces. If the script that compiles must stop, or the state
    /// exceeds its limit, the text ends there and compiling fails.
    pub fn load(&self, code: &[u8], name: &std::ffi::CStr) -> bool {
        const PIECE: usize = 16 * 1024;
        unsafe extern "C-unwind" fn read(
            state: *mut ffi::lua_State,
            rest: *mut c_void,
            len: *mut usize,
        ) -> *const std::ffi::c_char {
            // SAFETY: Lua calls this with a live state and the slice below, and expects the length
            // of each piece.
            let (machine, rest, len) =
                unsafe { (machine_of(state), &mut *rest.cast::<&[u8]>(), &mut *len) };
            if machine.memory.is_over() || hook::is_stopped(machine) {
                *rest = &[];
            }
            let (piece, left) = rest.split_at(rest.len().min(PIECE));
            (*rest, *len) = (left, piece.len());
            piece.as_ptr().cast()
        }
        // SAFETY: Lua calls us with a live state.
        let machine = unsafe { machine_of(self.state) };
        let (mut rest, mode) = (code, c"t".as_ptr());
        // SAFETY: see above; `rest` lives until the call returns. The parser runs protected, and
        // the allocator refuses nothing.
        let status = unsafe {
            let rest = ptr::from_mut(&mut rest).cast();
            lua_loadx(self.state, read, rest, name.as_ptr(), mode)
        };
        if machine.memory.is_over() {
            self.pop(1);
            self.push_bytes(b"not enough memory");
            return false;
        }
        status == 0
    }

    /// The byte code of the function on top.
    pub fn dump(&self) -> Vec<u8> {
        unsafe extern "C-unwind" fn write(
            _: *mut ffi::lua_State,
            part: *const c_void,
            len: usize,
            into: *mut c_void,
        ) -> c_int {
            // SAFETY: `into` is the vector below, `part` has `len` bytes.
            unsafe {
                let part = std::slice::from_raw_parts(part.cast::<u8>(), len);
                (*into.cast::<Vec<u8>>()).extend_from_slice(part);
            }
            0
        }
        let mut code = Vec::new();
        // SAFETY: see above; `code` lives until the call returns.
        unsafe {
            ffi::lua_dump(self.state, write, ptr::from_mut(&mut code).cast(), 0);
        }
        code
    }

    /// Pops a function and its `args` arguments, calls it, and pushes `results` values (-1: all),
    /// or (`false`) the error, after passing it to the handler at index `handler` (0: none).
    pub(crate) fn protected_call(&self, args: c_int, results: c_int, handler: c_int) -> bool {
        // SAFETY: Lua calls us with a live state.
        let machine = unsafe { machine_of(self.state) };
        // SAFETY: see above; errors that Lua raises are caught here.
        let called =
            machine.deeper(|| unsafe { ffi::lua_pcall(self.state, args, results, handler) });
        let Some(status) = called else {
            self.pop(args + 1);
            self.push_bytes(TOO_DEEP);
            return false;
        };
        status == 0
    }

    /// Runs a full collection. O(all objects).
    pub fn collect(&self) {
        // SAFETY: see above.
        unsafe {
            ffi::lua_gc(self.state, ffi::LUA_GCCOLLECT, 0);
        }
    }

    /// Runs a step of the collector. Whether that was the last step of a cycle.
    pub(crate) fn collect_step(&self, size: c_int) -> bool {
        // SAFETY: see above.
        unsafe { ffi::lua_gc(self.state, ffi::LUA_GCSTEP, size) == 1 }
    }

    /// Opens a library of LuaJIT as globals.
    pub fn open(&self, library: Library) {
        let open = match library {
            Library::Base => ffi::luaopen_base,
            Library::Table => ffi::luaopen_table,
            Library::String => ffi::luaopen_string,
            Library::Math => ffi::luaopen_math,
            Library::Os => ffi::luaopen_os,
            Library::Bit => ffi::luaopen_bit,
        };
        // SAFETY: see above; the state is new and nothing limits it yet.
        unsafe {
            ffi::lua_pushcclosure(self.state, open, 0);
            ffi::lua_pushstring_(self.state, c"".as_ptr());
            ffi::lua_call(self.state, 1, 0);
        }
    }

    /// The place of level `level` of the call stack: source, line, whether it is native.
    pub fn place(&self, level: c_int) -> Option<CodePlace> {
        // SAFETY: see above; the calls below fill the record.
        unsafe {
            let mut record: ffi::lua_Debug = std::mem::zeroed();
            if ffi::lua_getstack(self.state, level, &mut record) == 0 {
                return None;
            }
            ffi::lua_getinfo(self.state, c"nSl".as_ptr(), &mut record);
            let text = |p: *const std::ffi::c_char| std::ffi::CStr::from_ptr(p).to_bytes();
            Some(CodePlace {
                source: text(record.source).to_vec(),
                short: text(record.short_src.as_ptr()).to_vec(),
                line: record.currentline,
                is_native: text(record.what) == b"C",
            })
        }
    }

    /// Pushes the error to raise. A result above 0 is the number of the invalid argument.
    pub(super) fn push_raise(&self, raise: Raise) -> c_int {
        match raise {
            Raise::Top => {}
            Raise::Plain(text) => self.push_bytes(text.as_bytes()),
            Raise::Text(text) => self.push_placed(text.as_bytes()),
            Raise::Bytes(text) => self.push_placed(&text),
            Raise::Argument(at, reason) => {
                self.push_bytes(reason.as_bytes());
                return at;
            }
        }
        0
    }

    /// Pushes a text prefixed with the place of the running function's caller.
    fn push_placed(&self, text: &[u8]) {
        let place = self.place(1).filter(|place| place.line > 0);
        let mut line = place.map_or_else(Vec::new, |place| {
            let mut line = place.short;
            line.extend_from_slice(format!(":{}: ", place.line).as_bytes());
            line
        });
        line.extend_from_slice(text);
        self.push_bytes(&line);
    }

    // --- arguments ---

    /// The error for an argument of the wrong type.
    pub fn wrong_type(&self, at: c_int, wanted: &str) -> Raise {
        let got = self.kind(at).name();
        Raise::Argument(at, format!("{wanted} expected, got {got}").into())
    }

    /// An argument's string; numbers become strings.
    pub(crate) fn string_argument<'s>(&self, at: c_int) -> Result<&'s [u8], Raise> {
        self.bytes(at).ok_or_else(|| self.wrong_type(at, "string"))
    }

    pub(crate) fn number_argument(&self, at: c_int) -> Result<f64, Raise> {
        if self.is_number(at) {
            Ok(self.number(at))
        } else {
            Err(self.wrong_type(at, "number"))
        }
    }

    /// A whole number, converted as C converts a double: truncated, the minimum if out of range.
    pub(crate) fn int_argument(&self, at: c_int) -> Result<i64, Raise> {
        self.number_argument(at).map(truncated)
    }

    /// Like [`Stack::int_argument`], or `default` if absent.
    pub(crate) fn int_or(&self, at: c_int, default: i64) -> Result<i64, Raise> {
        match self.kind(at) {
            LuaType::None | LuaType::Nil => Ok(default),
            _ => self.int_argument(at),
        }
    }

    pub(crate) fn table_argument(&self, at: c_int) -> Result<(), Raise> {
        match self.kind(at) {
            LuaType::Table => Ok(()),
            _ => Err(self.wrong_type(at, "table")),
        }
    }
}

/// Converts a double to 64 bits as C does on x86-64.
pub fn truncated(n: f64) -> i64 {
    const RANGE: std::ops::Range<f64> = -9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0;
    if RANGE.contains(&n) {
        n as i64
    } else {
        i64::MIN
    }
}

/// LuaJIT's libraries that scripts get in part or whole.
#[derive(Clone, Copy)]
pub enum Library {
    Base,
    Table,
    String,
    Math,
    Os,
    Bit,
}

/// A place in a script.
pub struct CodePlace {
    /// The name of the chunk: `@user_script`.
    pub source: Vec<u8>,
    /// The name in messages: `user_script`.
    pub short: Vec<u8>,
    /// 0 or less if there is no line.
    pub line: c_int,
    pub(crate) is_native: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lua::Lua;

    /// LuaJIT raises an error for it, which used to end the process.
    #[test]
    fn a_string_that_no_state_can_hold_is_want_of_memory() {
        let lua = Lua::new(1 << 20);
        let (stack, memory) = (lua.stack(), &lua.machine().memory);
        // Untouched pages take no memory.
        let long = vec![0u8; 1 << 31];
        stack.push_bytes(&long);
        assert_eq!(stack.kind(-1), LuaType::Nil);
        assert!(memory.is_over(), "told");
        stack.push_bytes(&long[..1000]);
        assert_eq!((stack.len(-1), memory.is_over()), (1000, false));
    }
}
