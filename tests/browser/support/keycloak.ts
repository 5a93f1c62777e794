// Keycloak as its administrator uses it, by REST.
import { environment, type Login } from './environment.ts'

export interface Person extends Login {
  readonly id: string
  readonly name: string
}

interface Representation {
  readonly id: string
  readonly username: string
}

async function administratorToken(): Promise<string> {
  const { keycloak_url, keycloak_admin } = environment()
  const answer = await fetch(`${keycloak_url}/realms/master/protocol/openid-connect/token`, {
    method: 'POST',
    body: new URLSearchParams({ grant_type: 'password', client_id: 'admin-cli', ...keycloak_admin }),
  })
  const { access_token } = (await answer.json()) as { access_token?: string }
  if (access_token === undefined) throw new Error(`Keycloak does not let its administrator in: ${answer.status}`)
  return access_token
}

async function call(method: string, path: string, body?: unknown): Promise<Response> {
  const { keycloak_url, realm } = environment()
  const answer = await fetch(`${keycloak_url}/admin/realms/${realm}/${path}`, {
    method,
    headers: { authorization: `Bearer ${await administratorToken()}`, 'content-type': 'application/json' },
    body: body === undefined ? null : JSON.stringify(body),
  })
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
  return answer
}

/** A password that the realm's policy takes. */
function newPassword(): string {
  return `${Math.random().toString(36).slice(2)}-Aa1`
}

function credential(password: string): { type: string; value: string; temporary: boolean } {
  return { type: 'password', value: password, temporary: false }
}

/** Creates a person who may log in, an employee like everybody; `actions` is what Keycloak asks of them at their first login. */
export async function createPerson(firstName: string, actions: readonly string[] = []): Promise<Person> {
  const unique = Date.now().toString(36)
  const username = `${firstName.toLowerCase()}-${unique}`
  const password = newPassword()
  const answer = await call('POST', 'users', {
    username,
    firstName,
    lastName: `Journey ${unique}`,
    email: `${username}@example.org`,
    emailVerified: true,
    enabled: true,
    requiredActions: actions,
    credentials: [credential(password)],
  })
  const id = answer.headers.get('location')?.split('/').at(-1)
  if (id === undefined) throw new Error('Keycloak does not name the person it created')
  created.add(id)
  return { id, username, password, name: `${firstName} Journey ${unique}` }
}

/** Those that `createPerson` made and nobody deleted yet. */
const created = new Set<string>()

/** Somebody who registered: found by name, and deleted after the test. */
export async function adopt(username: string): Promise<void> {
  const [person] = (await (await call('GET', `users?${new URLSearchParams({ username, exact: 'true' })}`)).json()) as Representation[]
  if (person === undefined) throw new Error(`nobody registered as ${username}`)
  created.add(person.id)
}

/** Registers a client that asks people for consent, and answers how to take it away. */
export async function createConsentClient(clientId: string, redirect: string): Promise<() => Promise<Response>> {
  const answer = await call('POST', 'clients', {
    clientId,
    name: 'Elsewhere',
    publicClient: true,
    consentRequired: true,
    redirectUris: [redirect],
  })
  const id = answer.headers.get('location')?.split('/').at(-1)
  return () => call('DELETE', `clients/${id}`)
}

/** Deletes a person; what is open with them is drawn anew. */
export async function deletePerson({ id }: Person): Promise<void> {
  created.delete(id)
  await call('DELETE', `users/${id}`)
}

/** Deletes whom a test left behind, so that no later draw hits them. */
export async function deleteCreated(): Promise<void> {
  for (const id of created) await call('DELETE', `users/${id}`)
  created.clear()
}

/** How somebody drawn at random logs in: demo people as always, others by a password set just now. */
export async function loginOf(name: string): Promise<Login> {
  const [firstName = '', ...rest] = name.split(' ')
  const query = new URLSearchParams({ firstName, lastName: rest.join(' '), exact: 'true', max: '2' })
  const answer = await call('GET', `users?${query}`)
  const [found, other] = (await answer.json()) as Representation[]
  if (found === undefined || other !== undefined) throw new Error(`not exactly one person is called ${name}`)
  const known = environment().people.find(({ username }) => username === found.username)
  if (known !== undefined) return known
  const password = newPassword()
  await call('PUT', `users/${found.id}/reset-password`, credential(password))
  return { username: found.username, password }
}
