// The running system that `cargo xtask test` describes in a file.
import { readFileSync } from 'node:fs'

export interface Login {
  readonly username: string
  readonly password: string
}

export interface DemoPerson extends Login {
  readonly user_id: string
  readonly roles: readonly string[]
}

export interface Environment {
  readonly tasks_url: string
  readonly finance_url: string
  readonly finance_api_url: string
  readonly keycloak_url: string
  readonly amqp_url: string
  readonly rabbitmq_management_url: string
  readonly realm: string
  readonly keycloak_admin: Login
  readonly mail_url: string
  readonly pids: Readonly<Record<string, number>>
  readonly people: readonly DemoPerson[]
}

const VARIABLE = 'TASK_EXCHANGE_ENVIRONMENT'

/** Reads the description anew each time: a restarted service has another process id. */
export function environment(): Environment {
  const path = process.env[VARIABLE]
  if (path === undefined) throw new Error(`${VARIABLE} is not set: run the tests with \`cargo xtask test\``)
  return JSON.parse(readFileSync(path, 'utf8')) as Environment
}

/** The demo person of that name. */
export function demo(username: string): DemoPerson {
  const person = environment().people.find((one) => one.username === username)
  if (person === undefined) throw new Error(`there is no demo person ${username}`)
  return person
}
