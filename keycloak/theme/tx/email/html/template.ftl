<#-- The frame around every mail; mail programs read styles only where they are used. -->
<#macro emailLayout>
<html lang="${locale.language}" dir="${(ltr)?then('ltr','rtl')}">
<body style="margin: 0; padding: 32px 20px; background: #f3f2ef; color: #1d1c1a; font: 15px/1.5 system-ui, sans-serif">
  <div style="max-width: 480px; margin: 0 auto; padding: 24px 32px; background: #fefefd; border: 1px solid #e4e3df; border-radius: 12px">
    <p style="margin: 0 0 16px; font-weight: 600">Task Exchange</p>
    <#nested>
  </div>
</body>
</html>
</#macro>
