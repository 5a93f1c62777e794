// Everybody logs in and finds in the menu what their role may open, and nothing else.
import { expect, test } from '@playwright/test'
import { demo, environment } from './support/environment.ts'
import { open } from './support/pages.ts'

interface Case {
  readonly username: string
  readonly role: string
  readonly work: readonly string[]
  readonly money: readonly string[]
}

const CASES: readonly Case[] = [
  { username: 'ann', role: 'Administrator', work: ['Tasks'], money: ['My account'] },
  { username: 'mike', role: 'Manager', work: ['Tasks'], money: ['My account'] },
  { username: 'eva', role: 'Accountant', work: ['Tasks', 'My tasks'], money: ['My account'] },
  { username: 'peter', role: 'Employee', work: ['Tasks', 'My tasks'], money: ['My account'] },
]

for (const { username, role, work, money } of CASES) {
  test(`${username} finds what the role ${role} may open, in Tasks and in Finance`, async ({ page }) => {
    const { tasks_url, finance_url } = environment()
    for (const address of [tasks_url, `${finance_url}/me`]) {
      await open(page, address, demo(username))
      const side = page.getByRole('complementary', { name: 'Main navigation' })
      await expect(side.getByText(role, { exact: true })).toBeVisible()
      await expect(side.getByRole('navigation', { name: 'Work' }).getByRole('link')).toHaveText(work)
      await expect(side.getByRole('navigation', { name: 'Money' }).getByRole('link')).toHaveText(money)
    }
  })
}

test('each link of the menu leads to a page with one heading, marked as the current place', async ({ page }) => {
  await open(page, environment().tasks_url, demo('eva'))
  const side = page.getByRole('complementary', { name: 'Main navigation' })
  for (const name of ['Tasks', 'My tasks', 'My account']) {
    await side.getByRole('link', { name, exact: true }).click()
    await expect(side.getByRole('link', { name, exact: true })).toHaveAttribute('aria-current', 'page')
    await expect(page.getByRole('main').getByRole('heading', { level: 1 })).toHaveCount(1)
  }
})

test('signing out ends the session in both services', async ({ page }) => {
  const { tasks_url, finance_url } = environment()
  await open(page, `${finance_url}/me`, demo('olga'))
  await open(page, tasks_url, demo('olga'))
  await page.getByRole('button', { name: /Employee/ }).click()
  await page.getByRole('button', { name: 'Sign out' }).click()
  const login = page.getByRole('textbox', { name: 'Username or e-mail' })
  for (const address of [tasks_url, `${finance_url}/me`]) {
    await expect(async () => {
      await page.goto(address)
      await expect(login).toBeVisible({ timeout: 2_000 })
    }).toPass()
  }
})

test('a wrong password is refused in plain words', async ({ page }) => {
  await page.goto(environment().tasks_url)
  await page.getByRole('textbox', { name: 'Username or e-mail' }).fill('peter')
  await page.getByRole('textbox', { name: 'Password' }).fill('not the password')
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
  await expect(page.getByText('That name and password do not match.')).toBeVisible()
})
