// Waiting without flicker: signs of it come only after a while.

const SHOWN_AFTER_MS = 150;
const SLOW_AFTER_MS = 4_000;

/** Await `answer`; calls `waiting()` once it takes noticeable time, and `slow()` once it takes long. */
export async function patiently(answer, { waiting, slow = () => {} }) {
  const timers = [setTimeout(waiting, SHOWN_AFTER_MS), setTimeout(slow, SLOW_AFTER_MS)];
  try {
    return await answer;
  } finally {
    timers.forEach(clearTimeout);
  }
}
