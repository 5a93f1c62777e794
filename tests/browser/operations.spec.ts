// The operations page: what is stuck in every service, and the buttons that move it on.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { expect, test, type Locator, type Page } from '@playwright/test'
import type { AxeResults } from 'axe-core'
import { demo, environment } from './support/environment.ts'
import { publish } from './support/broker.ts'
import { complaints, open } from './support/pages.ts'

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const WIDTHS: readonly number[] = [320, 390, 768, 1440]

/** The row of Finance's parked messages with that routing key. */
function parked(page: Page, key: string): Locator {
  return page.locator('#parked-finance').getByRole('row').filter({ hasText: key }).first()
}

/** The page of all services, as an administrator sees it; nginx sends it to the task board. */
function operations(): string {
  return new URL('/operations', environment().tasks_url).href
}

async function openOperations(page: Page): Promise<void> {
  const ann = demo('ann')
  await open(page, `${environment().finance_url}/me`, ann)
  await open(page, operations(), ann)
  // Finance's rows arrive after the page.
  await expect(page.locator('#outbox-finance').getByRole('rowheader', { name: 'Finance' })).toBeVisible()
  await expect(page.locator('#queues-finance').getByRole('rowheader').first()).toBeVisible()
  // What arrives by itself takes no focus.
  expect(await page.evaluate(() => document.activeElement?.tagName)).toBe('BODY')
}

async function faults(page: Page): Promise<string[]> {
  const found: string[] = []
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: 900 })
      const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
      if (over > 0) found.push(`${page.url()} is ${over} px too wide at ${width} px`)
      await page.evaluate(AXE)
      const { violations } = (await page.evaluate('axe.run()')) as AxeResults
      found.push(...violations.map(({ id, help }) => `${id}: ${help} at ${width} px, ${colorScheme}`))
    }
  }
  await page.setViewportSize({ width: 1440, height: 900 })
  return found
}

test('an administrator edits a parked message and sends it again, and the page has no fault', async ({ page }) => {
  const complained = complaints(page)
  const performer = demo('peter').user_id
  const task = crypto.randomUUID()
  await publish('tasks', 'tasks.task.assigned', { task_uuid: task, assigned_to: 42, timestamp: new Date().toISOString() })
  await expect(async () => {
    await openOperations(page)
    await expect(parked(page, 'tasks.task.assigned')).toBeVisible({ timeout: 1_000 })
  }).toPass()
  expect(await faults(page)).toEqual([])

  await parked(page, 'tasks.task.assigned').getByRole('link', { name: /^Open/ }).click()
  if (page.url().includes('/causes/')) await page.getByRole('main').getByRole('link', { name: /^Open/ }).last().click()
  const body = page.getByRole('textbox', { name: 'Body as it is sent again' })
  await expect(body).toHaveValue(new RegExp(task))
  expect(await faults(page)).toEqual([])
  await body.fill(JSON.stringify({ task_uuid: task, assigned_to: performer, timestamp: new Date().toISOString() }))
  await page.getByRole('button', { name: 'Edit and retry' }).click()
  await expect(page).toHaveURL(operations())
  await expect(page.getByText('sent again with its new body')).toBeVisible()
  await expect(page.locator('#audit-finance').getByText('Edited and sent again').first()).toBeVisible()
  expect(complained).toEqual([])
})

test('discarding asks for a reason', async ({ page }) => {
  await publish('tasks', 'tasks.task.exploded', { n: 1 })
  await expect(async () => {
    await openOperations(page)
    await expect(parked(page, 'tasks.task.exploded')).toBeVisible({ timeout: 1_000 })
  }).toPass()
  await parked(page, 'tasks.task.exploded').getByRole('link', { name: /^Open/ }).click()
  await page.getByText('Discard', { exact: false }).first().click()
  const why = page.getByRole('textbox', { name: 'Why' })
  await page.getByRole('button', { name: 'Discard' }).click()
  await expect(why).toBeFocused()
  await why.fill('It was only a test')
  await page.getByRole('button', { name: 'Discard' }).click()
  await expect(page).toHaveURL(operations())
  await expect(page.locator('#audit-finance').getByRole('row').filter({ hasText: 'It was only a test' }).first()).toBeVisible()
})

test('others do not find the page, and are told who may see it', async ({ page }) => {
  const peter = demo('peter')
  await open(page, environment().tasks_url, peter)
  await expect(page.getByRole('link', { name: 'Operations' })).toHaveCount(0)
  const answer = await page.goto(operations())
  expect(answer?.status()).toBe(403)
  await expect(page.getByText('Only administrators may do this.')).toBeVisible()
})
