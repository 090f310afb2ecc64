//! Work on its own thread, whose result the loop polls: for work that waits for the disk, or may
//! take long in a folder of many files.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use russet_base::threads;
use russet_base::wake::Wake;

/// See the module. If an errand is dropped before its end, the work continues and the result is
/// lost.
pub struct Errand<T> {
    end: Arc<Mutex<Option<T>>>,
    thread: JoinHandle<()>,
}

impl<T: Send + 'static> Errand<T> {
    /// Starts a thread of this name, which calls `wake` when the work is done.
    pub fn start(
        name: &str,
        wake: Option<Wake>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<Errand<T>> {
        let end = Arc::new(Mutex::new(None));
        let theirs = Arc::clone(&end);
        let thread = threads::start(name, move || {
            let done = work();
            *theirs.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
            if let Some(wake) = wake {
                wake.wake();
            }
        })?;
        Ok(Errand { end, thread })
    }

    /// The result of the work, once it is done; returned only once.
    pub fn take(&self) -> Option<T> {
        self.end
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Waits for the result. `None`: it was taken before.
    pub fn wait(self) -> Option<T> {
        let Errand { end, thread } = self;
        // A panic of the thread has ended the process.
        let _ = thread.join();
        end.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl<T> std::fmt::Debug for Errand<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Errand")
    }
}
