// Pages as people see them: found by role and name only.
import { expect, type Page } from '@playwright/test'
import { environment, type Login } from './environment.ts'

/** Opens a page and logs in where Keycloak asks for it. */
export async function open(page: Page, address: string, person: Login): Promise<void> {
  await page.goto(address)
  const origin = new URL(environment().keycloak_url).origin
  if (page.url().startsWith(origin)) {
    await page.getByRole('textbox', { name: 'Username or e-mail' }).fill(person.username)
    await page.getByRole('textbox', { name: 'Password' }).fill(person.password)
    await page.getByRole('button', { name: 'Sign in', exact: true }).click()
  }
  // Scripts have run by then, so that keys and buttons do what they promise.
  await page.waitForLoadState()
  await expect(page.getByRole('main')).toBeVisible()
  expect(new URL(page.url()).origin).toBe(new URL(address).origin)
}

/** Collects what a browser complains about: errors of scripts, refusals of the content policy, answers of 500 and more. */
export function complaints(page: Page): string[] {
  const found: string[] = []
  page.on('console', (message) => {
    if (message.type() === 'error') found.push(`${page.url()}: ${message.text()}`)
  })
  page.on('pageerror', (error) => found.push(`${page.url()}: ${error.message}`))
  page.on('response', (response) => {
    if (response.status() >= 500) found.push(`${response.url()}: ${response.status()}`)
  })
  return found
}

/** Creates a task and answers its address; its performer is picked at random unless somebody is named. */
export async function createTask(page: Page, title: string, description = '', performer?: string): Promise<string> {
  const { tasks_url } = environment()
  await page.goto(`${tasks_url}/new`)
  const main = page.getByRole('main')
  await main.getByRole('textbox', { name: 'Title' }).fill(title)
  await main.getByRole('textbox', { name: 'Description' }).fill(description)
  if (performer !== undefined) {
    await main.getByRole('radio', { name: /^Choose someone/ }).check()
    const person = main.getByRole('option').filter({ hasText: performer })
    await main.getByRole('combobox', { name: 'New performer' }).selectOption(await person.innerText())
  }
  await main.getByRole('button', { name: 'Create task' }).click()
  await expect(page).not.toHaveURL(/\/new$/)
  await page.goto(`${tasks_url}?view=all&q=${encodeURIComponent(title)}`)
  await main.getByRole('link', { name: title }).click()
  await expect(main.getByRole('heading', { level: 1, name: title })).toBeVisible()
  return page.url()
}

/** The name of the performer that the history of a task names last, once there is one. */
export async function performerOf(page: Page): Promise<string> {
  const assigned = page.getByRole('main').getByRole('listitem').filter({ hasText: 'got the task' }).first()
  await expect(async () => {
    await page.reload()
    await expect(assigned).toBeVisible({ timeout: 1_000 })
  }).toPass()
  const [name] = (await assigned.innerText()).split(' got the task')
  return name?.trim() ?? ''
}

/** Marks the task at `address` done, as its performer or a manager. */
export async function complete(page: Page, address: string): Promise<void> {
  await page.goto(address)
  await page.getByRole('main').getByRole('button', { name: /^Mark done/ }).click()
  const properties = page.getByRole('complementary', { name: 'Properties' })
  await expect(properties.getByRole('definition').first()).toContainText('Done')
}

/** What a text such as `+$1,234.05` or `−$13.00` is in cents. */
export function cents(text: string): number {
  const digits = text.replace(/\D/g, '')
  if (!/^[+−]?\$[\d,]+\.\d\d$/.test(text.trim())) throw new Error(`${text} is no amount of money`)
  return text.includes('−') ? -Number(digits) : Number(digits)
}

/** The balance on the account page that is shown. */
export async function balance(page: Page): Promise<number> {
  return cents(await page.getByRole('region', { name: 'Balance' }).getByRole('paragraph').first().innerText())
}

/** The place of the amount among the cells of an entry: after its time and what it is about. */
const AMOUNT = 2

/** What the entries about a task did to the account of the person on `page`, once there are `count` of them. */
export async function entriesOf(page: Page, title: string, count: number): Promise<number[]> {
  const rows = page.getByRole('main').getByRole('row').filter({ hasText: title })
  await expect(async () => {
    await page.goto(`${environment().finance_url}/me`)
    await expect(rows).toHaveCount(count, { timeout: 1_000 })
  }).toPass()
  const amounts: number[] = []
  for (const row of await rows.all()) amounts.push(cents(await row.getByRole('cell').nth(AMOUNT).innerText()))
  return amounts
}
