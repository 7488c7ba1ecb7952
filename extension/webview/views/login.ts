/** Asks for the token, and says where it is. */
import { html, nothing, type TemplateResult } from 'lit';
import { safeLine } from '../../../shared/safe-text.ts';
import type { Login } from '../host/host.ts';
import { text } from '../strings.ts';

export function loginView(login: Login | undefined): TemplateResult | typeof nothing {
  if (login === undefined || !login.wanted) return nothing;
  // No <form>: nothing here is ever sent by navigation, and the page's policy forbids it.
  const use = (event: Event) => {
    const box = (event.currentTarget as HTMLElement).closest('[data-login]');
    const field = box?.querySelector('input');
    if (field === null || field === undefined) return;
    login.enter(field.value.trim());
    field.value = '';
  };
  return html`<section class="box" aria-labelledby="login-title" data-login>
    <h2 id="login-title">${text('loginTitle')}</h2>
    <p class="said">${text('loginWhere')}</p>
    ${login.reason === '' ? nothing : html`<p class="error" role="alert">${safeLine(login.reason)}</p>`}
    <div class="row">
      <label>
        ${text('token')}
        <input
          type="password"
          autocomplete="off"
          @keydown=${(event: KeyboardEvent) => event.key === 'Enter' && use(event)}
        />
      </label>
      <button type="button" @click=${use}>${text('use')}</button>
    </div>
  </section>`;
}
