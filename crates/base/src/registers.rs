//! The processor's registers at a signal, by the names of the architecture.

/// aarch64 has the most: 31, and `sp`, `pc`, `pstate`.
const REGISTERS_MAX: usize = 34;

/// Names and values, in the order to be shown; empty if the system's layout is not known here.
#[derive(Clone, Copy, Debug)]
pub struct Registers {
    all: [(&'static str, u64); REGISTERS_MAX],
    len: usize,
}

impl Registers {
    pub(crate) const NONE: Registers = Registers {
        all: [("", 0); REGISTERS_MAX],
        len: 0,
    };

    /// Each register's name in lower case, and its value.
    pub fn all(&self) -> &[(&'static str, u64)] {
        &self.all[..self.len]
    }

    /// The registers of the interrupted code. Allocates nothing.
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    pub fn of(context: &libc::ucontext_t) -> Registers {
        const NAMES: [(&str, i32); 18] = [
            ("rip", libc::REG_RIP),
            ("rsp", libc::REG_RSP),
            ("rbp", libc::REG_RBP),
            ("rax", libc::REG_RAX),
            ("rbx", libc::REG_RBX),
            ("rcx", libc::REG_RCX),
            ("rdx", libc::REG_RDX),
            ("rsi", libc::REG_RSI),
            ("rdi", libc::REG_RDI),
            ("r8", libc::REG_R8),
            ("r9", libc::REG_R9),
            ("r10", libc::REG_R10),
            ("r11", libc::REG_R11),
            ("r12", libc::REG_R12),
            ("r13", libc::REG_R13),
            ("r14", libc::REG_R14),
            ("r15", libc::REG_R15),
            ("eflags", libc::REG_EFL),
        ];
        let mut registers = Registers::NONE;
        for (name, at) in NAMES {
            registers.push(name, context.uc_mcontext.gregs[at as usize] as u64);
        }
        registers
    }

    /// The registers of the interrupted code. Allocates nothing.
    #[cfg(all(target_os = "linux", target_arch = "aarch64"))]
    pub fn of(context: &libc::ucontext_t) -> Registers {
        const NAMES: [&str; 31] = [
            "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13",
            "x14", "x15", "x16", "x17", "x18", "x19", "x20", "x21", "x22", "x23", "x24", "x25",
            "x26", "x27", "x28", "x29", "x30",
        ];
        let machine = &context.uc_mcontext;
        let mut registers = Registers::NONE;
        registers.push("pc", machine.pc);
        registers.push("sp", machine.sp);
        for (name, &value) in NAMES.iter().zip(&machine.regs) {
            registers.push(name, value);
        }
        registers.push("pstate", machine.pstate);
        registers
    }

    #[cfg(not(all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    )))]
    pub fn of(_: &libc::ucontext_t) -> Registers {
        Registers::NONE
    }

    #[cfg(all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    ))]
    fn push(&mut self, name: &'static str, value: u64) {
        self.all[self.len] = (name, value);
        self.len += 1;
    }
}
