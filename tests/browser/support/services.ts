// Kills a service the hard way and brings it back as an operator would.
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { environment } from './environment.ts'

const CHECKOUT = fileURLToPath(new URL('../../..', import.meta.url))

/** The program behind `cargo xtask`: calling it directly does not wait for a build that is under way. */
const XTASK = process.env['TASK_EXCHANGE_XTASK']

/** SIGKILL: the service cannot finish anything. */
export function kill(service: string): void {
  const pid = environment().pids[service]
  if (pid === undefined) throw new Error(`${service} does not run`)
  process.kill(pid, 'SIGKILL')
}

/** Starts a service that was killed, and waits until it is ready. */
export function start(service: string): void {
  const [program, ...first] = XTASK === undefined ? (['cargo', 'xtask'] as const) : ([XTASK] as const)
  execFileSync(program, [...first, 'start', '--env', 'test', service], { cwd: CHECKOUT, stdio: 'inherit' })
}
