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

/** Creates a task with a performer picked at random, and answers its address. */
export async function createTask(page: Page, title: string, description = ''): Promise<string> {
  const { tasks_url } = environment()
  await page.goto(`${tasks_url}/new`)
  const main = page.getByRole('main')
  await main.getByRole('textbox', { name: 'Title' }).fill(title)
  await main.getByRole('textbox', { name: 'Description' }).fill(description)
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
