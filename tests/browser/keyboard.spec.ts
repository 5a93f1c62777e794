// The shortcuts of the interface guide do what the list of shortcuts says.
import { expect, test } from '@playwright/test'
import { demo, environment } from './support/environment.ts'
import { open } from './support/pages.ts'

test.beforeEach(async ({ page }) => {
  await open(page, `${environment().tasks_url}/mine`, demo('sam'))
})

test('G and a letter go to a page', async ({ page }) => {
  await page.keyboard.press('g')
  await page.keyboard.press('t')
  await expect(page.getByRole('heading', { level: 1, name: 'Tasks', exact: true })).toBeVisible()
  await page.keyboard.press('g')
  await page.keyboard.press('a')
  await expect(page).toHaveURL(`${environment().finance_url}/me`)
})

test('a question mark lists the shortcuts, and Escape closes the list', async ({ page }) => {
  await page.keyboard.press('?')
  const list = page.getByRole('dialog', { name: 'Keyboard shortcuts' })
  await expect(list).toBeVisible()
  await page.keyboard.press('Escape')
  await expect(list).toBeHidden()
})

test('a slash leads to the search, where letters are only letters', async ({ page }) => {
  await page.keyboard.press('/')
  const search = page.getByRole('searchbox')
  await expect(search).toBeFocused()
  await page.keyboard.type('gt?')
  await expect(search).toHaveValue('gt?')
  await expect(page.getByRole('dialog')).toHaveCount(0)
})

test('C writes a new task, and Control with Enter sends it', async ({ page }) => {
  const title = `By keyboard ${Date.now().toString(36)}`
  await page.keyboard.press('c')
  const form = page.getByRole('dialog', { name: 'New task' })
  await form.getByRole('textbox', { name: 'Title' }).fill(title)
  await page.keyboard.press('Control+Enter')
  await expect(form).toBeHidden()
  await page.goto(`${environment().tasks_url}?view=all&q=${encodeURIComponent(title)}`)
  await expect(page.getByRole('link', { name: title })).toBeVisible()
})

test('Control with K finds a page by its name', async ({ page }) => {
  await page.keyboard.press('Control+k')
  const palette = page.getByRole('dialog', { name: 'Search and commands' })
  await palette.getByRole('combobox').fill('my account')
  await page.keyboard.press('Enter')
  await expect(page).toHaveURL(`${environment().finance_url}/me`)
})

test('single keys can be switched off', async ({ page }) => {
  await page.keyboard.press('?')
  const list = page.getByRole('dialog', { name: 'Keyboard shortcuts' })
  await list.getByRole('checkbox', { name: 'Use single-key shortcuts' }).uncheck()
  await page.keyboard.press('Escape')
  await page.keyboard.press('?')
  await page.keyboard.press('c')
  await expect(page.getByRole('dialog')).toHaveCount(0)
})
