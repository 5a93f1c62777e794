// Every page, in both themes and at every width: no complaint of the browser, no sideways scroll, no finding of axe.
import { expect, test, type Page } from '@playwright/test'
import { demo, environment } from './support/environment.ts'
import { axe, overhang } from './support/inspection.ts'
import { complaints, createTask, open } from './support/pages.ts'

const WIDTHS: readonly number[] = [320, 360, 768, 1024, 1920]
const LAYOUTS: readonly number[] = [360, 1024]
const THEMES = ['light', 'dark'] as const

async function inspect(page: Page, address: string): Promise<string[]> {
  const found: string[] = []
  await page.goto(address)
  for (const theme of THEMES) {
    await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' })
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: 900 })
      const over = await overhang(page)
      if (over > 0) found.push(`${address} is ${over} px too wide at ${width} px`)
      // What axe looks at changes with the layout, of which there are two.
      if (LAYOUTS.includes(width)) found.push(...(await axe(page)).map((finding) => `${address} at ${width} px, ${theme}: ${finding}`))
    }
  }
  return found
}

for (const username of ['ann', 'peter']) {
  test(`the pages of ${username} have no fault`, async ({ page }) => {
    const { tasks_url, finance_url } = environment()
    const complained = complaints(page)
    await open(page, tasks_url, demo(username))
    await open(page, `${finance_url}/me`, demo(username))
    const title = `A title of some length, so that lines have to wrap somewhere ${Date.now().toString(36)}`
    const task = await createTask(page, title, 'Words and a [link](https://example.org).\n\n- one\n- two')
    const addresses = [
      tasks_url,
      `${tasks_url}?view=all`,
      `${tasks_url}?view=all&q=nothing-is-called-like-this`,
      `${tasks_url}/new`,
      ...(username === 'peter' ? [`${tasks_url}/mine`, `${tasks_url}/mine?view=done`] : [`${task}/assign`]),
      task,
      `${task}/edit`,
      `${task}/cancel`,
      `${finance_url}/me`,
    ]
    const found: string[] = []
    for (const address of addresses) found.push(...(await inspect(page, address)))
    expect(found).toEqual([])
    expect(complained).toEqual([])
  })
}

test('the login page has no fault', async ({ page }) => {
  expect(await inspect(page, environment().tasks_url)).toEqual([])
})

test('an address that does not exist is answered in plain words', async ({ page }) => {
  const { tasks_url, finance_url } = environment()
  await open(page, tasks_url, demo('peter'))
  for (const address of [`${tasks_url}/T-999999999`, `${tasks_url}/nothing/here`, `${finance_url}/nothing`]) {
    await open(page, address, demo('peter'))
    await expect(page.getByRole('heading', { level: 1 })).toBeVisible()
    expect(await axe(page)).toEqual([])
  }
})

test('every page forbids inline script, framing and guessing of types', async ({ page }) => {
  const { tasks_url, finance_url } = environment()
  await open(page, `${finance_url}/me`, demo('peter'))
  for (const address of [tasks_url, `${finance_url}/me`]) {
    const answer = await page.goto(address)
    const headers = answer?.headers() ?? {}
    const policy = headers['content-security-policy'] ?? ''
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("script-src 'self'")
    expect(policy).toContain("frame-ancestors 'none'")
    expect(policy).not.toContain('unsafe')
    expect(headers['x-content-type-options']).toBe('nosniff')
    expect(headers['cache-control']).toContain('no-store')
  }
})

test('a theme that was chosen stays, on the pages of both services', async ({ page }) => {
  const { tasks_url, finance_url } = environment()
  await open(page, `${finance_url}/me`, demo('peter'))
  await open(page, tasks_url, demo('peter'))
  await page.getByRole('button', { name: /Employee/ }).click()
  await page.getByRole('button', { name: 'Dark' }).click()
  for (const address of [tasks_url, `${finance_url}/me`]) {
    await page.goto(address)
    await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark')
  }
})
