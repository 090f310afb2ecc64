// Runs named checks one after the other; the exit status says whether all held.
//
//   run([["name", async () => {...}], ["name", async () => {...}, "evalsha", "scripting"]], has)
//
// A check with a third element needs that command; without it the check is named as left
// out, with the feature it waits for.
exports.run = async function run(checks, has, close) {
  let failed = 0;
  for (const [name, check, command, feature] of checks) {
    if (command && !(await has(command))) {
      console.log(`left out: ${name} waits for ${feature}`);
      continue;
    }
    try {
      await check();
      console.log(`ok ${name}`);
    } catch (error) {
      failed += 1;
      console.log(`FAILED ${name}:`, error);
    }
  }
  await close();
  process.exit(failed ? 1 : 0);
};

exports.until = async function until(what, condition) {
  const end = Date.now() + 10000;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`still waiting for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};
