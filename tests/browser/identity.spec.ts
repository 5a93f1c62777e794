// Keycloak's pages in the product's look: everything between "Sign in" and being in, and the account console.
import { expect, test, type Page } from '@playwright/test'
import { demo, environment } from './support/environment.ts'
import { axe, overhang } from './support/inspection.ts'
import { adopt, createConsentClient, createPerson, deleteCreated } from './support/keycloak.ts'
import { linkIn, mailTo } from './support/mail.ts'
import { complaints } from './support/pages.ts'

const PASSWORD = 'words that nobody else has'
/** The wide one last: it is the one that a journey goes on with. */
const SHAPES = [
  { theme: 'dark', width: 390 },
  { theme: 'light', width: 1440 },
] as const

/** Rules of axe that Keycloak's own markup breaks: a third heading without a second on the consent page, a tabindex on the logout page. */
const OF_LOGIN_PAGES: readonly string[] = ['heading-order', 'tabindex']

/** The same of the account console, a program of Keycloak's: a menu button and parts of the page without names of their own. */
const OF_ACCOUNT_CONSOLE: readonly string[] = ['button-name', 'landmark-unique']

let complained: string[] = []

test.beforeEach(({ page }) => {
  complained = complaints(page)
})

test.afterEach(async () => {
  await deleteCreated()
  // Of Keycloak's pages; a refused login and a wrong address are answered with 400, of which the browser tells.
  const { keycloak_url } = environment()
  const ours = complained.filter((text) => text.startsWith(keycloak_url) && !text.includes('status of 400'))
  expect(ours).toEqual([])
})

/** Looks at the page that is shown: its name, the theme's style sheet, its width, axe's findings. */
async function look(page: Page, heading: string, excused: readonly string[] = OF_LOGIN_PAGES): Promise<void> {
  // The account console is a program that is fetched in several steps.
  await expect(page.getByRole('heading', { level: 1, name: heading, exact: true })).toBeVisible({ timeout: 60_000 })
  const sheets = await page.evaluate(() => Array.from(document.styleSheets, ({ href }) => href ?? ''))
  expect(sheets.join(' ')).toMatch(/\/(login|account)\/tx\/css\//)
  const found: string[] = []
  for (const { theme, width } of SHAPES) {
    await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' })
    await page.setViewportSize({ width, height: 900 })
    expect(await page.evaluate(() => getComputedStyle(document.body).fontFamily)).toContain('Inter')
    const over = await overhang(page)
    if (over > 0) found.push(`${over} px too wide at ${width} px`)
    const ours = (await axe(page)).filter((finding) => !excused.some((rule) => finding.startsWith(`${rule}:`)))
    found.push(...ours.map((finding) => `${width} px, ${theme}: ${finding}`))
  }
  expect.soft(found, heading).toEqual([])
}

function realm(path: string): string {
  const { keycloak_url, realm } = environment()
  return `${keycloak_url}/realms/${realm}/${path}`
}

async function signIn(page: Page, username: string, password: string): Promise<void> {
  await page.getByRole('textbox', { name: 'Username or e-mail' }).fill(username)
  await page.getByRole('textbox', { name: 'Password' }).fill(password)
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
}

async function setPassword(page: Page): Promise<void> {
  await page.getByRole('textbox', { name: 'New password' }).fill(PASSWORD)
  await page.getByRole('textbox', { name: 'The same again' }).fill(PASSWORD)
  await page.getByRole('button', { name: 'Continue' }).click()
}

async function expectTaskBoard(page: Page): Promise<void> {
  await expect(page).toHaveURL(new RegExp(`^${environment().tasks_url}`))
  await expect(page.getByRole('complementary', { name: 'Main navigation' })).toBeVisible()
}

test('who registers confirms the address, chooses a password, and is in', async ({ page }) => {
  const username = `new-${Date.now().toString(36)}`
  const address = `${username}@example.org`
  await page.goto(environment().tasks_url)
  await look(page, 'Sign in')
  await page.getByRole('link', { name: 'Create account' }).click()
  await look(page, 'Create account')
  await page.getByRole('button', { name: 'Create account' }).click()
  await expect(page.getByText('Enter a username.')).toBeVisible()
  await look(page, 'Create account')
  await page.getByRole('textbox', { name: 'Username' }).fill(username)
  await page.getByRole('textbox', { name: 'E-mail' }).fill(address)
  await page.getByRole('textbox', { name: 'First name' }).fill('Nina')
  await page.getByRole('textbox', { name: 'Last name' }).fill('Newcomer')
  await page.getByRole('button', { name: 'Create account' }).click()
  await look(page, 'Confirm your e-mail address')
  await adopt(username)

  const mail = await mailTo(address, 'Confirm your e-mail address')
  expect(mail.html).toContain('Task Exchange')
  await page.goto(linkIn(mail))
  await look(page, 'Set a new password')
  await setPassword(page)
  // The bridge tells the services within a second or two; until then there is a page that says so.
  await expect(async () => {
    await page.goto(environment().tasks_url)
    await expect(page.getByRole('complementary', { name: 'Main navigation' })).toBeVisible({ timeout: 1_000 })
  }).toPass()
})

test('who forgot the password sets a new one by mail', async ({ page }) => {
  const person = await createPerson('Fran')
  await page.goto(environment().tasks_url)
  await signIn(page, person.username, 'something else')
  await expect(page.getByText('That name and password do not match.')).toBeVisible()
  await look(page, 'Sign in')
  await page.getByRole('link', { name: 'Forgot password?' }).click()
  await look(page, 'Reset password')
  await page.getByRole('textbox', { name: 'Username or e-mail' }).fill(person.username)
  await page.getByRole('button', { name: 'Continue' }).click()
  await expect(page.getByText('When the account exists, a mail with further steps is on its way.')).toBeVisible()
  await look(page, 'Sign in')

  await page.goto(linkIn(await mailTo(`${person.username}@example.org`, 'Set a new password')))
  await look(page, 'Set a new password')
  await setPassword(page)
  await expectTaskBoard(page)
})

test('consent, signing out and dead ends have pages of their own', async ({ page }) => {
  const { username, password } = demo('sam')
  const client = `it-${Date.now().toString(36)}`
  const redirect = `${environment().tasks_url}/elsewhere`
  const remove = await createConsentClient(client, redirect)
  const query = new URLSearchParams({ client_id: client, redirect_uri: redirect, response_type: 'code', scope: 'openid' })
  await page.goto(realm(`protocol/openid-connect/auth?${query}`))
  const action = await page.locator('form').getAttribute('action')
  await signIn(page, username, password)
  await look(page, 'Let Elsewhere in')
  await remove()
  await page.goto((action ?? '').replace(/execution=[^&]+/, 'execution=none'))
  await look(page, 'This did not work')

  await page.goto(realm('protocol/openid-connect/auth?client_id=nobody'))
  await look(page, 'This did not work')
  await page.goto(realm('protocol/openid-connect/logout'))
  await look(page, 'Sign out')
  await page.getByRole('button', { name: 'Sign out' }).click()
  await look(page, 'You are signed out')
})

test('a form that is out of date offers two ways on', async ({ page }) => {
  await page.goto(environment().tasks_url)
  const action = await page.locator('form').getAttribute('action')
  await page.goto((action ?? '').replace(/execution=[^&]+/, 'execution=none'))
  await look(page, 'This page has expired')
})

test('the account console looks like the product and loads nothing that its policy forbids', async ({ page }) => {
  const { username, password } = demo('peter')
  await page.goto(realm('account/'))
  await signIn(page, username, password)
  await look(page, 'Personal info', OF_ACCOUNT_CONSOLE)
  for (const [path, heading] of [
    ['signing-in', 'Signing in'],
    ['device-activity', 'Device activity'],
  ] as const) {
    await page.goto(realm(`account/account-security/${path}`))
    await look(page, heading, OF_ACCOUNT_CONSOLE)
  }
  await page.goto(realm('account/applications'))
  await look(page, 'Applications', OF_ACCOUNT_CONSOLE)
})
