// The running system that `cargo xtask test` describes in a file.
import { readFileSync } from 'node:fs'

export interface Service {
  readonly pid: number
}

export interface Environment {
  readonly tasks_url: string
  readonly finance_url: string
  readonly finance_api_url: string
  readonly keycloak_url: string
  readonly realm: string
  readonly demo_password: string
}

const VARIABLE = 'TASK_EXCHANGE_ENVIRONMENT'

/** Reads the description anew: a restarted service has another process id. */
export function environment(): Environment {
  const path = process.env[VARIABLE]
  if (path === undefined) throw new Error(`${VARIABLE} is not set: run the tests with \`cargo xtask test\``)
  return JSON.parse(readFileSync(path, 'utf8')) as Environment
}
