// Kills a service the hard way and brings it back as an operator would.
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { environment } from './environment.ts'

const CHECKOUT = fileURLToPath(new URL('../../..', import.meta.url))

/** SIGKILL: the service cannot finish anything. */
export function kill(service: string): void {
  const pid = environment().pids[service]
  if (pid === undefined) throw new Error(`${service} does not run`)
  process.kill(pid, 'SIGKILL')
}

/** Starts a service that was killed, and waits until it is ready. */
export function start(service: string): void {
  execFileSync('cargo', ['xtask', 'start', '--env', 'test', service], { cwd: CHECKOUT, stdio: 'inherit' })
}
